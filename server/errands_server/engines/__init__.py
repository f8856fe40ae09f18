"""Where runs are executed, and when."""
