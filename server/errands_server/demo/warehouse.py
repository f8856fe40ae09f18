"""The demonstration's warehouse: an MCP server over standard input and output, with one tool.

`python -m errands_server.demo.warehouse --journal FILE`. Written out by hand, it starts in no time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

REVISION: Final = "2025-11-25"
_NO_METHOD: Final = -32601  # JSON-RPC 2.0 §5.1
_TEXT: Final = {"type": "string"}
_TOOL: Final = {
    "name": "create_shipment",
    "title": "Book a shipment for an order",
    "description": "Books a shipment: the warehouse packs the order and hands it to the carrier.",
    "inputSchema": {
        "type": "object",
        "properties": {"order_id": {**_TEXT, "description": "The order to ship."}},
        "required": ["order_id"],
    },
    "outputSchema": {
        "type": "object",
        "properties": {"id": _TEXT, "order_id": _TEXT, "status": _TEXT},
        "required": ["id", "order_id", "status"],
    },
    "annotations": {"readOnlyHint": False, "destructiveHint": False},
}


def main(argv: list[str]) -> None:
    """Answer until the end of the input."""
    parser = argparse.ArgumentParser(prog="python -m errands_server.demo.warehouse")
    parser.add_argument("--journal", type=Path, required=True, help="file every shipment is added to")
    journal: Path = parser.parse_args(argv).journal
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:  # anything else is a notification
            answer = {"jsonrpc": "2.0", "id": message["id"], **_answer(message, journal)}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


def shipments(journal: Path) -> list[dict[str, Any]]:
    """Every shipment that was booked."""
    return [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []


def _answer(message: Mapping[str, Any], journal: Path) -> dict[str, Any]:
    match message["method"]:
        case "initialize":
            info = {"name": "warehouse", "version": "1"}
            capabilities: dict[str, Any] = {"tools": {}}
            return {"result": {"protocolVersion": REVISION, "capabilities": capabilities, "serverInfo": info}}
        case "ping":
            return {"result": {}}
        case "tools/list":
            return {"result": {"tools": [_TOOL]}}
        case "tools/call":
            return {"result": _book(message["params"]["arguments"]["order_id"], journal)}
        case method:
            return {"error": {"code": _NO_METHOD, "message": f"there is no method {method}"}}


def _book(order_id: str, journal: Path) -> dict[str, Any]:
    number = len(shipments(journal)) + 1
    shipment = {"id": f"shp_{number:04}", "order_id": order_id, "status": "booked"}
    with journal.open("a") as file:
        file.write(json.dumps(shipment) + "\n")
    return {"content": [{"type": "text", "text": json.dumps(shipment)}], "structuredContent": shipment}


if __name__ == "__main__":
    main(sys.argv[1:])
