//! The operators room: dead letters, health.
