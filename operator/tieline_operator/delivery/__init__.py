"""How snapshots reach routers: certificates, authentication, sessions, the stream, and what is published on it."""
