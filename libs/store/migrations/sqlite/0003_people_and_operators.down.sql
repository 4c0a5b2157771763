drop table ai_audit_log;
drop table ai_metrics;
drop table hallucination_reports;
drop table audit_logs;
drop table api_keys;
drop table user_mappings;
