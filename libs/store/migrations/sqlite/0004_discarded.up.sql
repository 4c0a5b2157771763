-- Dead letters that an operator put away, and why.

alter table dead_letters add column discarded_at bigint;
alter table dead_letters add column discarded_by text;
alter table dead_letters add column discard_reason text;

create index dead_letters_open on dead_letters (tenant, reason)
    where replayed_at is null and discarded_at is null;
