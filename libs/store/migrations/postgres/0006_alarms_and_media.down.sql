drop table media;
drop table alarms;
