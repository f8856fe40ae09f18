"""What a run is and what it may do: pure values and functions, without I/O, clock or randomness."""
