"""The command line: a gRPC client and nothing else."""

from __future__ import annotations


def main() -> None:
    """Run `errands` with the arguments of this process, and exit."""
    from .app import app

    app(prog_name="errands")
