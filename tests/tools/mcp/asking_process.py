"""An MCP server over standard input and output whose tools ask a person, as many at once as are called."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

TOOLS = ("ask", "together", "hold", "stay")
FORM = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}


class Server:
    """`ask` asks at once, `together` when it was called twice.

    `hold` ends when somebody has asked, `stay` never. Where nobody answers, a tool says so as its argument
    `refusing` wants it: in a failed result, in a protocol error, or in a result like any other.
    """

    def __init__(self) -> None:
        self._asked: dict[str, Any] = {}  # id of the question: id of its call
        self._refusing: dict[Any, str] = {}
        self._held: list[Any] = []
        self._early: list[Any] = []
        self._together = False

    def heed(self, message: Mapping[str, Any]) -> None:
        """One message of the client."""
        match message:
            case {"method": "initialize", "id": call}:
                info = {"name": "asking", "version": "1"}
                version = message["params"]["protocolVersion"]
                self._say(
                    id=call,
                    result={"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info},
                )
            case {"method": "tools/list", "id": call}:
                schema = {"type": "object"}
                self._say(
                    id=call, result={"tools": [{"name": name, "inputSchema": schema} for name in TOOLS]}
                )
            case {"method": "tools/call", "id": call, "params": {"name": name, "arguments": arguments}}:
                self._refusing[call] = arguments.get("refusing", "failed")
                self._called(name, call)
            case {"method": _, "id": call}:
                self._say(id=call, error={"code": -32601, "message": "no such method"})
            case {"id": question, "result": result}:
                self._answered(self._asked.pop(question), result)

    def _called(self, name: str, call: Any) -> None:
        if name == "hold":
            self._held.append(call)
        elif name == "stay":
            pass
        elif name == "ask" or self._together:
            self._ask(call)
        else:
            self._early.append(call)
            if len(self._early) == 2:
                self._together = True
                for one in self._early:
                    self._ask(one)

    def _ask(self, call: Any) -> None:
        question = f"q{call}"
        self._asked[question] = call
        params = {"message": "Which colour?", "requestedSchema": FORM}
        self._say(id=question, method="elicitation/create", params=params)
        while self._held:
            self._end(self._held.pop(), "held")

    def _answered(self, call: Any, result: Mapping[str, Any]) -> None:
        if result["action"] == "accept":
            self._end(call, f"painted {result['content']['colour']}")
        elif self._refusing[call] == "error":
            self._say(id=call, error={"code": -32000 - 99, "message": f"no colour: {result['action']}"})
        else:
            self._end(call, f"no colour: {result['action']}", error=self._refusing[call] == "failed")

    def _end(self, call: Any, text: str, *, error: bool = False) -> None:
        self._say(id=call, result={"content": [{"type": "text", "text": text}], "isError": error})

    def _say(self, **message: Any) -> None:
        print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


if __name__ == "__main__":
    server = Server()
    for line in sys.stdin:
        server.heed(json.loads(line))
