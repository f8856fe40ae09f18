"""What a new revision changes in the tools of an integration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from .operation import Operation


class ToolChanges(Struct, frozen=True):
    """Names of tools, in order."""

    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    changed: Sequence[str] = ()


def tool_changes(old: Sequence[Operation], new: Sequence[Operation]) -> ToolChanges:
    """Which tools came, went, or are sent or described in another way."""
    before, after = _by_name(old), _by_name(new)
    return ToolChanges(
        added=sorted(after.keys() - before.keys()),
        removed=sorted(before.keys() - after.keys()),
        changed=sorted(name for name in before.keys() & after.keys() if before[name] != after[name]),
    )


def _by_name(operations: Sequence[Operation]) -> Mapping[str, Operation]:
    return {operation.tool.name: operation for operation in operations}
