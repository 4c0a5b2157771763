-- What backends can do. Each change goes under the next version of its tenant.

create table catalog_version (
    tenant text primary key,
    version bigint not null
);

create table catalog_documents (
    tenant text not null,
    document text not null,
    title text not null,
    version text not null,
    source text not null,
    backend_url text,
    content blob not null,
    content_hash text not null,
    catalog_version bigint not null,
    updated_at bigint not null,
    primary key (tenant, document)
);

create table catalog_overlays (
    tenant text not null,
    operation text not null,
    overlay text not null,
    catalog_version bigint not null,
    updated_at bigint not null,
    primary key (tenant, operation)
);

create table catalog_examples (
    tenant text not null,
    operation text not null,
    language text not null,
    text text not null,
    origin text not null,
    catalog_version bigint not null,
    created_at bigint not null,
    primary key (tenant, operation, language, text)
);

-- Hints learned from 4xx answers, and what the tenant's credentials may really call.
create table catalog_notes (
    tenant text not null,
    operation text not null,
    kind text not null check (kind in ('hint', 'capability')),
    subject text not null,
    note text not null,
    seen bigint not null default 1,
    catalog_version bigint not null,
    updated_at bigint not null,
    primary key (tenant, operation, kind, subject)
);
