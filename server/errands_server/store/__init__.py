"""Durable state: one log per run, and the rows that summarise and find them."""
