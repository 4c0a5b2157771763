//! Journeys through the front door, with the real services; see `journeys`.
