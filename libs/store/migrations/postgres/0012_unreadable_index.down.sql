drop index unreadable_by_kind;
