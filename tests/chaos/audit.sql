-- What really happened, written down by the database itself: who took, committed and let go which conversation, when one
-- had something to do again, who began to answer a message, which sends had an end that nobody knew, and which messages
-- were tried again after an attempt that nobody explained.
create table chaos_log (
    n bigserial primary key,
    at bigint not null default (extract(epoch from clock_timestamp()) * 1000000)::bigint,
    process text not null default session_user,
    kind text not null,
    conversation uuid not null,
    epoch bigint,
    owner uuid,
    outbox uuid
);
create index chaos_log_of on chaos_log (conversation, kind, epoch);

create function chaos_conversation() returns trigger language plpgsql as $$
declare
    had constant boolean := old.next_seq > old.done_seq or old.unsent > 0;
    has constant boolean := new.next_seq > new.done_seq or new.unsent > 0;
begin
    if new.epoch <> old.epoch then
        insert into chaos_log (kind, conversation, epoch, owner) values ('claim', new.id, new.epoch, new.owner);
    end if;
    if new.done_seq <> old.done_seq then
        insert into chaos_log (kind, conversation, epoch, owner) values ('commit', new.id, new.epoch, new.owner);
    end if;
    if has and not had then
        insert into chaos_log (kind, conversation) values ('work', new.id);
    end if;
    if old.owner is not null and new.owner is null then
        insert into chaos_log (kind, conversation, epoch, owner) values ('release', new.id, new.epoch, old.owner);
    end if;
    return null;
end $$;
create trigger chaos_conversation after update on conversations for each row execute function chaos_conversation();

create function chaos_outbox() returns trigger language plpgsql as $$
begin
    if new.status <> old.status and new.status in ('unknown', 'held') then
        insert into chaos_log (kind, conversation, outbox) values (new.status, new.conversation, new.id);
    end if;
    return null;
end $$;
create trigger chaos_outbox after update on outbox for each row execute function chaos_outbox();

create function chaos_inbox() returns trigger language plpgsql as $$
begin
    if new.attempts > old.attempts then
        insert into chaos_log (kind, conversation) values ('begin', new.conversation);
        if new.attempts > 1 then
            insert into chaos_log (kind, conversation) values ('again', new.conversation);
        end if;
    end if;
    return null;
end $$;
create trigger chaos_inbox after update on inbox for each row execute function chaos_inbox();
