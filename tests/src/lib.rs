//! Journeys through the front door.
