-- An operator reads a platform's events apart from the rest, page by page, the newest first.
create index unreadable_by_kind on unreadable (tenant, (cast(substr(reason, 1, 6) = 'event ' as integer)), id);
