//! What every service shares: configuration, telemetry, health, shutdown, servers and clients.
