"""Schemathesis against a real gateway: what its document promises, for thousands of requests."""
