"""How far one call came, and what it means that it ended in an exception."""

from __future__ import annotations

import traceback

from ..domain.errors import Reason, Unavailable
from ..ports import CallFailed, CallOutcomeUnknown


class Attempt:
    """The account of one call. Senders write it; what a fault means is read from it."""

    def __init__(self) -> None:
        self.sent = False  # whether a byte of a request may have left that was not certainly without effect

    def result_of(self, fault: Exception) -> CallFailed | CallOutcomeUnknown:
        """The result of a call that ended in this exception, whatever raised it.

        The message is made of nothing that a service sent: what could not be read cannot be searched for
        secrets either.
        """
        kind = type(fault).__name__
        if self.sent:
            return CallOutcomeUnknown(message=f"the request left, but its answer could not be read ({kind})")
        if isinstance(fault, Unavailable):
            message = fault.message
            return CallFailed(reason=Reason.SERVICE_UNAVAILABLE, message=message, transient=True)
        return CallFailed(reason=Reason.SERVICE_UNREACHABLE, message=f"nothing was sent: a fault ({kind})")


def place_of(fault: BaseException) -> str:
    """File and line that raised it, for the log: unlike the message they hold nothing of an answer."""
    frames = traceback.extract_tb(fault.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
