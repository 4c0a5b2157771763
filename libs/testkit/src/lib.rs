//! Temporary PostgreSQL and Redis servers for tests.
