drop index outbox_by_link;
alter table outbox drop column link_until;
alter table outbox drop column link_sha256;
drop index outbox_files_to_send;
alter table outbox drop column file_sha256;
