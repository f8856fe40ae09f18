"""What authenticates a call: whose it is, how it is kept, and how it stays out of sight."""
