"""A remote service that does as its scripts say, and counts the effects it has under each key."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Final

from errands_server.domain.errors import Reason
from errands_server.domain.policy import KEY_TTL, SECOND
from errands_server.domain.question import Question
from errands_server.domain.tool import Repeat, Tool
from errands_server.ports import (
    CallFailed,
    CallOutcomeUnknown,
    CallRequest,
    CallResult,
    CallSucceeded,
    InputRequired,
)

from .scenarios import Answered, Script

REMEMBERS: Final = KEY_TTL + 2 * SECOND  # a key is looked at up to a dispatch window after the decision

QUESTION: Final = Question(message="Which?", schema={"type": "object"}, digest="sha256:1")


class Remote:
    """Honours keys where the tool says so, as long as it remembers them; elsewhere it ignores them."""

    def __init__(self, tools: Mapping[str, Tool], scripts: Mapping[str, Script]) -> None:
        self._tools = tools
        self._scripts = scripts
        self.requests: Counter[str] = Counter()  # by tool
        self.effects: Counter[str] = Counter()  # by key
        self._had_effect_at: dict[str, int] = {}

    def receive(self, request: CallRequest, now: int) -> CallResult:
        name = request.ref.name
        script = self._scripts.get(name, (Answered.DONE,))
        answered = script[min(self.requests[name], len(script) - 1)]
        self.requests[name] += 1
        if isinstance(answered, CallSucceeded):
            self._work(request, now)
        if not isinstance(answered, Answered):
            return answered
        match answered:
            case Answered.BUSY:
                return CallFailed(
                    reason=Reason.SERVICE_RATE_LIMITED, message="busy", status=429, transient=True
                )
            case Answered.LOST_BEFORE:
                return CallOutcomeUnknown(message="the connection was reset")
            case Answered.LOST_AFTER:
                self._work(request, now)
                return CallOutcomeUnknown(message="the connection was reset")
            case Answered.IN_PROGRESS if self._remembers(request, now):
                return CallFailed(reason=Reason.SERVICE_REFUSED, message="in progress", status=409)
            case Answered.ASKS:
                return InputRequired(question=QUESTION)
            case Answered.REFUSED if not self._remembers(request, now):
                return CallFailed(reason=Reason.SERVICE_REFUSED, message="refused", status=400)
            case _:
                return self._work(request, now)

    def _remembers(self, request: CallRequest, now: int) -> bool:
        keyed = self._tools[request.ref.name].repeat is Repeat.KEYED
        at = self._had_effect_at.get(request.idempotency_key)
        return keyed and at is not None and now - at <= REMEMBERS

    def _work(self, request: CallRequest, now: int) -> CallResult:
        if self._tools[request.ref.name].method == "DELETE":
            return self._delete(request, now)
        if not self._remembers(request, now):
            self.effects[request.idempotency_key] += 1
            self._had_effect_at[request.idempotency_key] = now
        return CallSucceeded(output=json.dumps({"id": request.ref.name}).encode(), status=200)

    def _delete(self, request: CallRequest, now: int) -> CallResult:
        if request.idempotency_key in self._had_effect_at:
            return CallFailed(reason=Reason.SERVICE_REFUSED, message="gone", status=404)
        self.effects[request.idempotency_key] += 1
        self._had_effect_at[request.idempotency_key] = now
        return CallSucceeded(output=b"null", status=204)
