drop table feedback;
drop table uploads;
