//! The schema up and down, roles, keys, stream and group.
