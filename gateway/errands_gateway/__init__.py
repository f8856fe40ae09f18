"""The HTTP gateway: REST, SSE and approval pages over the generated gRPC stubs."""
