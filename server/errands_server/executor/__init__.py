"""Performs what the domain says may be done next, and turns what happens into events."""
