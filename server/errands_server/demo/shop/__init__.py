"""A small shop on real HTTP and SQLite: the service the demonstration and the crash tests call."""
