"""What a run is and may do: pure values and functions, without I/O, clock or randomness."""
