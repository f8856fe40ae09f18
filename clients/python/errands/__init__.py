"""Generated clients, the command line and the wire contract of Errands."""
