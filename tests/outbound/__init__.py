"""HTTP to services elsewhere, as those who attack it see it."""
