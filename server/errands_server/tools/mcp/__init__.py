"""MCP servers as integrations. Only `connection` knows the SDK, and is imported where it is used."""
