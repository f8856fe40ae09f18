"""JSON of /v1 from messages of the contract."""
