"""Measures the service against the raw echo, interleaved, and prints medians and ratios."""

from __future__ import annotations

import argparse
import sys

from tests.bench.gateway import GatewayRows
from tests.bench.load import allow_many_files, process
from tests.bench.rpcs import GrpcRows
from tests.bench.served import Served
from tests.bench.table import chosen, measured, show


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of requests")
    parser.add_argument(
        "--only", metavar="WORD,WORD", default="", help="rows whose names hold one of these, and E"
    )
    options = parser.parse_args()
    allow_many_files()
    with process("tests.bench.echo") as echo, process("tests.bench.server") as server:
        served = Served(server)
        rows = GrpcRows(echo, served, options.scale).rows() + GatewayRows(served, options.scale).rows()
        rows = chosen(rows, options.only.split(","))
        show(rows, measured(rows, options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
