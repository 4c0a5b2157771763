-- What lies outside the database is not known any more: its rows count as over.
drop index media_stored_by_hash;
drop index media_kept_by_expiry;
alter table media drop column stored;
drop table stored_files;
