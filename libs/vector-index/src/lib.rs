//! Exact nearest neighbours over vectors in memory.
