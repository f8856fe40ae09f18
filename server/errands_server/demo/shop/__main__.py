"""Runs the shop: `python -m errands_server.demo.shop --port 0 --db FILE`."""

from __future__ import annotations

import argparse
import socket
import sys

import uvicorn

from .app import Shop


def main(argv: list[str]) -> None:
    """Serve on loopback until stopped; one line says where, as soon as connections are taken."""
    options = _options(argv)
    with socket.create_server(("127.0.0.1", options.port)) as listener:
        host, port = listener.getsockname()
        sys.stdout.write(f"shop: ready http://{host}:{port}\n")
        sys.stdout.flush()
        app = Shop(options.db, keys=not options.no_keys, token=options.token).app()
        # Delayed answers may outlive their callers; a shop that is told to stop does not wait for them.
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listener])


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m errands_server.demo.shop")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--db", required=True, help="SQLite file; made where it does not exist")
    parser.add_argument("--no-keys", action="store_true", help="do not know idempotency keys")
    parser.add_argument("--token", default="", help="let in only who sends this bearer token")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
