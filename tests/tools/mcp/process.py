"""An MCP server over standard input and output, written out by hand in the first revision of the protocol."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

TOOLS = ("pid", "environment", "folder", "crash", "fail", "stay", "grumble")


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **_answer(message)}), flush=True)
    if os.environ.get("LINGER"):  # does not heed the end of its input
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            signal.pause()


def _answer(message: Mapping[str, Any]) -> Mapping[str, Any]:
    match message["method"]:
        case "initialize":
            info = {"name": "process", "version": "1"}
            capabilities: Mapping[str, Any] = {"tools": {}}
            result = {"protocolVersion": "2024-11-05", "capabilities": capabilities, "serverInfo": info}
            return {"result": result}
        case "tools/list":
            return {
                "result": {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
            }
        case "tools/call":
            return {"result": _called(message["params"]["name"])}
        case _:
            return {"error": {"code": -32601, "message": "no such method"}}


def _called(name: str) -> Mapping[str, Any]:
    match name:
        case "pid":
            return _text(str(os.getpid()))
        case "environment":
            return _text(json.dumps(dict(os.environ)))
        case "folder":
            return _text(os.getcwd())
        case "crash":
            os._exit(3)
        case "grumble":
            token = os.environ["DESK_TOKEN"]
            print(f"no {token}", "x" * 200_000 + token, "last", sep="\n", file=sys.stderr, flush=True)
            return _text("grumbled")
        case "fail":
            return {**_text(f"the token {os.environ['DESK_TOKEN']} is refused"), "isError": True}
        case _:
            sys.stdin.read()  # until the end
            os._exit(0)


def _text(text: str) -> Mapping[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


if __name__ == "__main__":
    main()
