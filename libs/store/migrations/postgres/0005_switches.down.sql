drop table ai_services;
drop table switches;
