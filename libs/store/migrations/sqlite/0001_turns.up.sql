-- Conversations, what comes in, what is decided, what goes out. No foreign keys on the hot path: they would take
-- locks outside the order that every transaction keeps.

create table conversations (
    id blob primary key,
    tenant text not null,
    account text not null,
    peer text not null,
    next_seq bigint not null default 0,
    done_seq bigint not null default 0,
    unsent bigint not null default 0 check (unsent >= 0),
    epoch bigint not null default 0,
    owner blob,
    lease_until bigint not null default 0,
    wake_at bigint not null default 0,
    rung_at bigint not null default 0,
    state text not null default '{}',
    created_at bigint not null,
    check (done_seq <= next_seq)
);

-- The only index over changing columns: what is owned or unfinished.
create index conversations_active on conversations (id)
    where owner is not null or next_seq > done_seq or unsent > 0;
create index conversations_by_tenant on conversations (tenant, id);

-- Several keys may lead to one conversation: chats that were migrated, business-scoped ids.
create table conversation_keys (
    tenant text not null,
    account text not null,
    peer text not null,
    conversation blob not null,
    primary key (tenant, account, peer)
) without rowid;

create table person (
    id blob primary key,
    tenant text not null,
    contact_name text,
    created_at bigint not null
);

create table person_keys (
    tenant text not null,
    channel text not null,
    user_id text not null,
    person blob not null,
    primary key (tenant, channel, user_id)
) without rowid;

create table inbox (
    conversation blob not null,
    seq bigint not null,
    tenant text not null,
    person blob not null,
    provider text not null,
    account text not null,
    provider_message_id text not null,
    payload text not null,
    accepted_at bigint not null,
    attempts bigint not null default 0,
    primary key (conversation, seq),
    constraint inbox_message_key unique (tenant, provider, account, provider_message_id)
);

create table steps (
    conversation blob not null,
    seq bigint not null,
    n bigint not null,
    kind text not null check (kind in ('range', 'decision', 'call')),
    request_hash text not null,
    idempotency_key text,
    status text not null check (status in ('started', 'done')),
    request text not null,
    result text,
    format bigint not null,
    created_at bigint not null,
    finished_at bigint,
    primary key (conversation, seq, n)
);

create table outbox (
    id blob primary key,
    conversation blob not null,
    tenant text not null,
    in_seq bigint not null,
    part bigint not null,
    attempt bigint not null default 0,
    unknown_ends bigint not null default 0,
    status text not null check (status in ('pending', 'sending', 'sent', 'unknown', 'held', 'failed')),
    reply text not null,
    question boolean not null default false,
    created_at bigint not null,
    due_at bigint not null,
    sending_at bigint,
    sent_at bigint,
    provider_message_id text,
    reason text,
    constraint outbox_order unique (conversation, in_seq, part)
);

create index outbox_unsent on outbox (conversation, in_seq, part)
    where status in ('pending', 'sending', 'unknown');
create index outbox_held on outbox (tenant, id) where status = 'held';

-- Delivery reports. They take no seq; early ones simply wait for their message.
create table receipts (
    tenant text not null,
    provider text not null,
    account text not null,
    provider_message_id text not null,
    status text not null,
    rank bigint not null,
    outbox_id blob,
    at bigint not null,
    primary key (tenant, provider, account, provider_message_id, status)
);

create index receipts_by_outbox on receipts (outbox_id) where outbox_id is not null;

-- The readable history of both directions. An inbound message has part -1.
create table messages (
    conversation blob not null,
    seq bigint not null,
    part bigint not null,
    tenant text not null,
    direction text not null check (direction in ('inbound', 'outbound')),
    person blob,
    body text not null,
    outbox_id blob,
    created_at bigint not null,
    primary key (conversation, seq, part)
);

create table dead_letters (
    id blob primary key,
    tenant text not null,
    conversation blob not null,
    seq bigint not null,
    last_seq bigint not null,
    reason text not null,
    attempts bigint not null,
    unknown_effect boolean not null,
    created_at bigint not null,
    replayed_at bigint,
    replayed_seq bigint
);

create index dead_letters_by_tenant on dead_letters (tenant, id);

-- Webhooks with a good signature that we could not read or store.
create table unreadable (
    id blob primary key,
    tenant text not null,
    account text not null,
    body blob not null,
    reason text not null,
    received_at bigint not null
);
