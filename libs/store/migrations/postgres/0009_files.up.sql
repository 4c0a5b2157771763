-- Files outside the database, below their tenant by their hash; a row of media says that it has its content there.

-- touched_at: somebody put it last, or began to. removing_until: a sweep removes it, and until then nobody puts it.
create table stored_files (
    tenant text not null,
    sha256 text not null,
    size_bytes bigint not null,
    kept boolean not null,
    touched_at bigint not null,
    removing_until bigint,
    primary key (tenant, sha256)
);

create index stored_files_by_touch on stored_files (touched_at) where kept;

alter table media add column stored boolean not null default false;

create index media_kept_by_expiry on media (expires_at) where content is not null or stored;
create index media_stored_by_hash on media (tenant, sha256) where stored;
