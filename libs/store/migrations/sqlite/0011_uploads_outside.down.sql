-- What lies outside the database is not known any more: its rows count as over.
drop index uploads_stored_by_hash;
drop index uploads_by_owner;
drop index uploads_by_expiry;
alter table uploads drop column stored;
alter table uploads drop column sha256;
create index uploads_by_owner on uploads (tenant, account, owner) where content is not null;
create index uploads_by_expiry on uploads (expires_at) where content is not null;
