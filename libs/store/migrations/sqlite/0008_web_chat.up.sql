-- Files that people of the web chat uploaded, before a message names them, and what they think of answers.

-- The content goes when its time is over; what it was stays.
create table uploads (
    id blob primary key,
    tenant text not null,
    account text not null,
    owner text not null,
    media_type text not null,
    name text,
    size_bytes bigint not null,
    content blob,
    created_at bigint not null,
    expires_at bigint not null
);

create index uploads_by_owner on uploads (tenant, account, owner) where content is not null;
create index uploads_by_expiry on uploads (expires_at) where content is not null;

-- One line for each part of an answer; the last word counts.
create table feedback (
    conversation blob not null,
    seq bigint not null,
    part bigint not null,
    tenant text not null,
    person blob not null,
    rating text not null,
    comment text,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (conversation, seq, part)
);

create index feedback_by_person on feedback (tenant, person);
