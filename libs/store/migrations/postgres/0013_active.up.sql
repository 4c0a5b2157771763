-- The index of what is owned or unfinished had its condition over columns that each turn changes some six times, and
-- PostgreSQL writes a changed row anew into every index of its table if a column of any of them changed. What is indexed
-- now changes when a conversation wakes and when it rests. The table is written anew once, some 2 s for 200,000
-- conversations; until then nobody else writes or reads it.
drop index conversations_active;
alter table conversations
    add column active boolean generated always as (owner is not null or next_seq > done_seq or unsent > 0) stored;
create index conversations_active on conversations (id) where active;
analyze conversations;
