"""Credentials of calls: whose they are, how they are stored and renewed, and how they are redacted."""
