"""Data folders of releases, and the proof that a server of today opens them and goes on."""
