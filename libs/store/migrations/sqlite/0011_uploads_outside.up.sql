-- Uploads of the web chat outside the database, as files of conversations are: stored says that the bytes are there.
alter table uploads add column sha256 text;
alter table uploads add column stored boolean not null default false;

drop index uploads_by_owner;
drop index uploads_by_expiry;
create index uploads_by_owner on uploads (tenant, account, owner) where content is not null or stored;
create index uploads_by_expiry on uploads (expires_at) where content is not null or stored;
create index uploads_stored_by_hash on uploads (tenant, sha256) where stored;
