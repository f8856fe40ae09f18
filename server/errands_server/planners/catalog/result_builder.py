"""Builds a result for a JSON Schema from the outputs of a run's steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from ...ports import Finding
from .parameters import Schema, json_type, resolve
from .tokens import GENERIC, parts, stemmed, stems

_COUNTS: Final = stemmed("count total number amount size")
_ACCOUNTS: Final = stemmed("summary message report answer outcome explanation text")
_SUCCESS: Final = stemmed("success succeeded ok done completed")
_DEPTH: Final = 6
_NOTHING: Final = object()


class _Value(Struct, frozen=True):
    """A value of an output, with the stems of its path."""

    words: frozenset[str]
    own: frozenset[str]  # its own name
    value: Any


def build_result(schema: Schema, findings: Sequence[Finding]) -> Any:
    """A document for `schema` from the findings, the latest step's values first.

    Only values that are in the outputs, counts of their lists, and sentences about the steps;
    properties without a value are left out.
    """
    whole = resolve(schema, schema)
    if json_type(whole) != "object" or not whole.get("properties"):
        return _last(findings)
    sources = [value for finding in reversed(findings) for value in _values(finding)]
    return _Answer(schema, findings).document(whole, sources, 0)


def _last(findings: Sequence[Finding]) -> Any:
    output = next((f.output for f in reversed(findings) if f.output is not None), None)
    return output if isinstance(output, dict) else {"output": output}


def _values(finding: Finding) -> Iterator[_Value]:
    """Everything in one step's output, nearer values before deeper ones."""
    subject = frozenset(word for call in finding.step.calls for word in stems(call.tool.name))
    level: list[_Value] = [_Value(subject, frozenset(), finding.output)]
    for _ in range(_DEPTH):
        yield from level
        level = [inner for outer in level for inner in _inside(outer)]


def _inside(outer: _Value) -> Iterator[_Value]:
    if isinstance(outer.value, Mapping):
        for name, value in outer.value.items():
            own = frozenset(stems(str(name)))
            yield _Value(outer.words | own, own, value)
    elif isinstance(outer.value, list) and len(outer.value) == 1:
        yield _Value(outer.words, frozenset(), outer.value[0])


class _Answer(Struct, frozen=True):
    """One result in the making."""

    root: Schema
    findings: Sequence[Finding]

    def document(self, schema: Schema, sources: Sequence[_Value], depth: int) -> dict[str, Any]:
        """The object of a schema, with the properties that the sources have."""
        found: dict[str, Any] = {}
        for name, raw in schema["properties"].items():
            value = self._property(name, resolve(raw, self.root), sources, depth)
            if value is not _NOTHING:
                found[name] = value
        return found

    def _property(self, name: str, schema: Schema, sources: Sequence[_Value], depth: int) -> Any:
        wanted = frozenset(stems(name))
        for source in _named(wanted, sources):
            value = self._shape(source, schema, depth)
            if value is not _NOTHING:
                return value
        if json_type(schema) == "array":
            return self._listed(schema, sources, depth)
        if json_type(schema) == "object" and schema.get("properties") and depth < _DEPTH:
            return self.document(schema, sources, depth + 1) or _NOTHING
        return self._derived(wanted, schema, sources)

    def _shape(self, source: _Value, schema: Schema, depth: int) -> Any:
        """Convert a value to the schema's form; nothing where it has another type."""
        wanted, value = json_type(schema), source.value
        if wanted == "array" and isinstance(value, list):
            return self._items(value, schema, depth)
        if wanted == "object" and isinstance(value, Mapping):
            if not schema.get("properties") or depth >= _DEPTH:
                return dict(value)
            return self.document(schema, list(_spread(value)), depth + 1) or _NOTHING
        documented = schema.get("enum")
        listed = value in documented if isinstance(documented, list) else True
        return value if listed and _is(value, wanted) else _NOTHING

    def _items(self, values: Sequence[Any], schema: Schema, depth: int) -> Any:
        item = resolve(schema.get("items"), self.root)
        if not item:
            return list(values)
        shaped = [self._shape(_Value(frozenset(), frozenset(), value), item, depth + 1) for value in values]
        fit = [value for value in shaped if value is not _NOTHING]
        return fit if fit or not values else _NOTHING

    def _listed(self, schema: Schema, sources: Sequence[_Value], depth: int) -> Any:
        """The first list anywhere that the schema's items fit."""
        for source in sources:
            if isinstance(source.value, list):
                found = self._items(source.value, schema, depth)
                if found is not _NOTHING:
                    return found
        return _NOTHING

    def _derived(self, wanted: frozenset[str], schema: Schema, sources: Sequence[_Value]) -> Any:
        """A value about the outputs: a count, a summary, whether every step was done."""
        plain = json_type(schema)
        if plain in ("integer", "number") and wanted & _COUNTS:
            return _count(wanted - _COUNTS, sources)
        if plain == "string" and wanted & _ACCOUNTS and "enum" not in schema:
            return summarize(self.findings)
        if plain == "boolean" and wanted & _SUCCESS:
            return all(finding.outcome == "done" for finding in self.findings)
        return _NOTHING


def _spread(value: Mapping[str, Any]) -> Iterator[_Value]:
    level = [_Value(frozenset(), frozenset(), value)]
    for _ in range(2):
        level = [inner for outer in level for inner in _inside(outer)]
        yield from level


def _named(wanted: frozenset[str], sources: Sequence[_Value]) -> Iterator[_Value]:
    """Values of this name: by their own name first, then by their path (`orderId`, an order's id)."""
    yield from (source for source in sources if source.own == wanted)
    for source in sources:
        if source.own and source.own < wanted <= source.words and not source.own - wanted:
            yield source


def _count(subject: frozenset[str], sources: Sequence[_Value]) -> Any:
    subject -= GENERIC
    lists = [source for source in sources if isinstance(source.value, list)]
    about = [source for source in lists if subject <= source.words]
    return len(about[0].value) if about else _NOTHING


def summarize(findings: Sequence[Finding]) -> str:
    """One sentence per step: its description and its outcome."""
    sentences = (
        f"{finding.step.description.rstrip('.')}: {' '.join(parts(finding.outcome))}." for finding in findings
    )
    return " ".join(sentences)


def _is(value: Any, wanted: str) -> bool:
    if wanted == "boolean" or isinstance(value, bool):
        return wanted == "boolean" and isinstance(value, bool)
    if wanted == "integer":
        return isinstance(value, int)
    if wanted == "number":
        return isinstance(value, int | float)
    return wanted == "string" and isinstance(value, str)
