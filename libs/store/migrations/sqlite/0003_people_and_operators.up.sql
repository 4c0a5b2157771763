-- Who a person is in a backend, who may call us, and what is written down about turns and administrators.

create table user_mappings (
    tenant text not null,
    person blob not null,
    document text not null,
    backend_user text not null,
    attributes text not null,
    label text,
    source text not null,
    expires_at bigint not null,
    updated_at bigint not null,
    primary key (tenant, person, document)
);

create table api_keys (
    hash text primary key,
    tenant text not null,
    name text not null,
    services text not null,
    created_at bigint not null,
    expires_at bigint,
    revoked_at bigint
);

-- What administrators did. Each row carries the hash of the row before it.
create table audit_logs (
    n bigint primary key,
    id blob not null unique,
    tenant text not null,
    actor text not null,
    action text not null,
    subject text not null,
    detail text not null,
    at bigint not null,
    previous_hash text not null,
    hash text not null
);

create index audit_logs_by_tenant on audit_logs (tenant, n);

create table hallucination_reports (
    id blob primary key,
    tenant text not null,
    conversation blob not null,
    seq bigint not null,
    person blob,
    question text not null,
    answer text not null,
    model text,
    retrieved text not null,
    category text check (category in ('wrong_tool', 'wrong_data', 'wrong_format', 'other')),
    reviewed_by text,
    reviewed_at bigint,
    created_at bigint not null
);

create table ai_metrics (
    id blob primary key,
    tenant text not null,
    endpoint text not null,
    agent text not null,
    model text,
    tokens_used bigint not null default 0,
    duration bigint not null,
    success boolean not null,
    error text,
    created_at bigint not null
);

create index ai_metrics_by_time on ai_metrics (tenant, created_at);

create table ai_audit_log (
    id blob primary key,
    tenant text not null,
    conversation blob,
    in_seq bigint,
    user_id text not null,
    chat_id text not null,
    message text not null,
    agent text not null,
    tools_used text not null,
    created_at bigint not null
);

create index ai_audit_log_by_time on ai_audit_log (tenant, created_at);
