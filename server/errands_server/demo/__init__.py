"""The demonstration: a run that survives the death of its server."""

from __future__ import annotations


def demo(argv: list[str]) -> int:
    """Run `errands demo` with these arguments; 0 only where all it promises was seen to be true."""
    from .story import main

    return main(argv)
