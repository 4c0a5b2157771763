//! All SQL of Dragoman, for PostgreSQL and SQLite, one module per subject.
