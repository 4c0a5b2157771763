//! Journeys through the front door, with the real services; see `tests/it`.
