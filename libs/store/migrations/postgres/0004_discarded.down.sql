drop index dead_letters_open;
alter table dead_letters drop column discard_reason;
alter table dead_letters drop column discarded_by;
alter table dead_letters drop column discarded_at;
