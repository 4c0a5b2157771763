-- Files that replies show: an outbox row names its file, so that it stays while the row is still to be sent.
alter table outbox add column file_sha256 text;

create index outbox_files_to_send on outbox (conversation, file_sha256)
    where file_sha256 is not null and status in ('pending', 'sending', 'unknown');

-- A link by which a platform fetches the row's file, for a short time. Only the hash of its token is kept.
alter table outbox add column link_sha256 text;
alter table outbox add column link_until bigint;

create unique index outbox_by_link on outbox (link_sha256) where link_sha256 is not null;
