alter table receipts drop column reason;
drop table opt_outs;
