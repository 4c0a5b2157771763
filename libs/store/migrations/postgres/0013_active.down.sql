drop index conversations_active;
alter table conversations drop column active;
create index conversations_active on conversations (id)
    where owner is not null or next_seq > done_seq or unsent > 0;
