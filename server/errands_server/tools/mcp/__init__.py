"""MCP servers as integrations. Only `connection` and `streams` know the SDK, imported where they are used."""
