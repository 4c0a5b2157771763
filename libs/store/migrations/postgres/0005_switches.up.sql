-- What operators change while everything runs, and what the services say of themselves.

create table switches (
    tenant text not null,
    name text not null,
    value text not null,
    set_by text not null,
    set_at bigint not null,
    primary key (tenant, name)
);

-- One row a service: the values it was started with, and how its model is.
create table ai_services (
    service text primary key,
    start_values text not null,
    provider text,
    failing text,
    told_at bigint not null
);
