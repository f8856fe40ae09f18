"""What callers can ask for, in the domain's words: each function is one use of the service."""
