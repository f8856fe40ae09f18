"""The run service: contract in, durable runs out."""
