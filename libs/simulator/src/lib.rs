//! The other sides of the network: fake platforms, OAuth2 server and a demo fleet with its backend.
