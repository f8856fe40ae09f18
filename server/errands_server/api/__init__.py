"""The gRPC services: requests checked and turned into uses, answers into messages."""
