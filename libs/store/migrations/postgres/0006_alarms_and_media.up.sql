-- What a conversation wants to be reminded of, and the files that people sent into it.

-- A due alarm becomes a row of the inbox, in one transaction; then, or when nobody wants it any more, due_at is null.
create table alarms (
    conversation uuid not null,
    key text not null,
    tenant text not null,
    person uuid not null,
    due_at bigint,
    payload text not null,
    created_at bigint not null,
    primary key (conversation, key)
);

create index alarms_due on alarms (due_at) where due_at is not null;

-- The content goes when its time is over; what it was stays.
create table media (
    conversation uuid not null,
    sha256 text not null,
    tenant text not null,
    person uuid not null,
    media_type text not null,
    name text,
    size_bytes bigint not null,
    content bytea,
    created_at bigint not null,
    expires_at bigint not null,
    primary key (conversation, sha256)
);

-- Pictures are compressed already.
alter table media alter column content set storage external;

create index media_by_expiry on media (expires_at) where content is not null;
