"""Slow proofs, run as commands: real processes, killed without warning."""
