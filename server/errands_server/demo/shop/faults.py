"""Faults: what a test may ask the shop to get wrong, per operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with one operation; delays are in seconds.

    `delay_before` and `unavailable` come before the effect, `delay_after` and `drop` after it.
    """

    delay_before: float = 0.0
    delay_after: float = 0.0
    drop: bool = False  # close the connection instead of answering
    unavailable: bool = False  # 503 with Retry-After, and no effect
    retry_after: int = 0
    ignore_key: bool = False
    times: int | None = None  # how many requests it strikes; None: all until it is cleared


NO_FAULT: Final = Fault()


class Faults:
    """The faults in force. `*` stands for every operation without a fault of its own."""

    def __init__(self, faults: Mapping[str, Fault] | None = None) -> None:
        self._faults = dict(faults or {})

    def put(self, operation: str, fault: Fault) -> None:
        self._faults[operation] = fault

    def clear(self) -> None:
        self._faults.clear()

    def strike(self, operation: str) -> Fault:
        """The fault this request meets, which counts as one of its `times`."""
        name = operation if operation in self._faults else "*"
        fault = self._faults.get(name, NO_FAULT)
        if fault.times is None:
            return fault
        if fault.times <= 1:
            del self._faults[name]
        else:
            self._faults[name] = replace(fault, times=fault.times - 1)
        return fault


def read(document: Mapping[str, Any]) -> Fault:
    """The fault a document describes. ValueError: it names something no fault has."""
    known = {field.name for field in fields(Fault)}
    if unknown := document.keys() - known:
        raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
    return Fault(**document)
