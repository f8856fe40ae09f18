"""Exit codes of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """A code never changes its meaning, because scripts branch on it. MEANINGS says what each means."""

    SUCCESS = 0
    REFUSED = 1
    USAGE = 2
    PARTIAL_SUCCESS = 3
    NO_SUCCESS = 4
    FAILED = 5
    CANCELED = 6
    NOT_FOUND = 7
    CREDENTIALS = 8
    UNREACHABLE = 9
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it


MEANINGS: Final[Mapping[Exit, str]] = {
    Exit.SUCCESS: "done; a run that was watched ended in SUCCESS",
    Exit.REFUSED: "refused, or another error",
    Exit.USAGE: "the command line is wrong",
    Exit.PARTIAL_SUCCESS: "the run ended in PARTIAL_SUCCESS",
    Exit.NO_SUCCESS: "the run ended in NO_SUCCESS",
    Exit.FAILED: "the run ended in FAILED",
    Exit.CANCELED: "the run ended in CANCELED",
    Exit.NOT_FOUND: "there is no such thing",
    Exit.CREDENTIALS: "no key, a wrong one, or one that may not",
    Exit.UNREACHABLE: "no server, or it stopped answering",
    Exit.INTERRUPTED: "interrupted; a run that was watched goes on",
}

_CODES: Final = {
    "NOT_FOUND": Exit.NOT_FOUND,
    "UNAUTHENTICATED": Exit.CREDENTIALS,
    "PERMISSION_DENIED": Exit.CREDENTIALS,
    "UNAVAILABLE": Exit.UNREACHABLE,
    "DEADLINE_EXCEEDED": Exit.UNREACHABLE,
}


def of_code(code: str) -> Exit:
    """The exit code for an error with this gRPC code."""
    return _CODES.get(code, Exit.REFUSED)


def of_status(status: str) -> Exit:
    """The exit code for a run that ended with this status."""
    return Exit[status]
