"""HTTP to services elsewhere, under the address policy."""
