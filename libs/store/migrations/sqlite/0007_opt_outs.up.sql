-- Who wants no messages that they did not ask for, and why a platform did not deliver one.

-- One line per chat and kind; `ended_at` is null while it holds.
create table opt_outs (
    tenant text not null,
    account text not null,
    peer text not null,
    scope text not null check (scope in ('all', 'marketing', 'blocked')),
    how text not null,
    since bigint not null,
    ended_at bigint,
    primary key (tenant, account, peer, scope)
);

alter table receipts add column reason text;
