//! Doorbell, live feed, cache and rate limits: Redis or in-process.
