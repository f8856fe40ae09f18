"""Makes a revision of an integration from a description, off the event loop where it takes long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Final

import msgspec
from msgspec import Struct

from ...domain.errors import Invalid, Reason, Violation
from ...store.repositories.integrations import Revision
from ..operation import Operation
from ..origins import origin_of
from .document import Description, describe
from .import_limits import Turn, in_thread
from .json_node import DocumentError, JsonDocument
from .loader import LoadedDocument, document, fetch_document, gather, pack, unpack


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


KIND: Final = "openapi"


class OpenApiSource(Struct, frozen=True):
    """Where a description comes from: its text, or a URL it is fetched from once."""

    url: str = ""
    text: str = ""


class OpenApiTerms(Struct, frozen=True, kw_only=True):
    """What is said about a description besides its text.

    `base_url` wins over the document, "" leaves it to it. `standing_url` is where requests
    went so far: a document read anew does not move them by itself.
    """

    base_url: str = ""
    standing_url: str = ""
    internal: bool = False
    honours_keys: bool = False
    only_from: str = ""  # the one private origin a description may be fetched from; "" for any


async def import_source(source: OpenApiSource, terms: OpenApiTerms, *, turn: Turn | None = None) -> Revision:
    """A revision without a credential; the turn is waited for once the description is there.

    DOCUMENT_INVALID, DOCUMENT_UNREACHABLE, ADDRESS_FORBIDDEN.
    """
    try:
        internal = terms.internal and _may_fetch(source, terms)
        text = source.text or await fetch_document(source.url, internal=internal)
        async with turn or nullcontext():
            gathered, root = await gather(text, source.url, internal=internal)
            return await in_thread(_revision, gathered, root, terms)
    except DocumentError as error:
        raise _invalid(error, "openapi_document" if source.text else "openapi_url") from error


def _may_fetch(source: OpenApiSource, terms: OpenApiTerms) -> bool:
    return not source.url or terms.only_from in {"", origin_of(source.url, "openapi_url")}


async def import_again(stored: bytes, terms: OpenApiTerms, *, turn: Turn) -> Revision:
    """A revision from the texts of an earlier one, which are not fetched again. Raises as above."""
    try:
        async with turn:
            return await in_thread(_reread, stored, terms)
    except DocumentError as error:
        raise _invalid(error, "openapi_document") from error


async def changes_between(old: Revision, new: Revision) -> ToolChanges:
    """What the new revision changes in the tools of the old one."""
    if old.operations == new.operations:
        return ToolChanges()
    return await in_thread(lambda: tool_changes(_operations(old), _operations(new)))


async def said_base_url(stored: bytes) -> str:
    """The base URL a caller once gave for the stored texts; "" where none did."""
    return (await in_thread(unpack, stored)).base_url


def _operations(revision: Revision) -> tuple[Operation, ...]:
    return msgspec.json.decode(revision.operations, type=tuple[Operation, ...])


def _reread(stored: bytes, terms: OpenApiTerms) -> Revision:
    gathered = unpack(stored)
    return _revision(gathered, document(gathered), terms)


def _revision(gathered: LoadedDocument, root: JsonDocument, terms: OpenApiTerms) -> Revision:
    said, description = _described(root, terms)
    return Revision(
        kind=KIND,
        base_url=said or description.origin + description.base_path,
        internal=terms.internal,
        honours_keys=terms.honours_keys,
        document=pack(LoadedDocument(url=gathered.url, texts=gathered.texts, base_url=said)),
        operations=msgspec.json.encode(description.operations),
        schemes=msgspec.json.encode(description.schemes).decode(),
        tool_count=len(description.operations),
        left_out=tuple(f"{omitted.place}: {omitted.why}" for omitted in description.left_out),
    )


def _described(root: JsonDocument, terms: OpenApiTerms) -> tuple[str, Description]:
    """The base URL that has to be said, "" where the document says it, and what it describes."""
    standing = terms.standing_url
    if terms.base_url or not standing:
        said = terms.base_url
        return said, describe(root, base_url=said, honours_keys=terms.honours_keys)
    try:
        description = describe(root, honours_keys=terms.honours_keys)
    except DocumentError:  # perhaps only because it names no server
        description = None
    if description is not None and description.origin + description.base_path == standing:
        return "", description
    return standing, describe(root, base_url=standing, honours_keys=terms.honours_keys)


def _invalid(error: DocumentError, field: str) -> Invalid:
    if error.place == "baseUrl":
        return Invalid([Violation("base_url", error.message)])
    return Invalid([Violation(field, str(error))], reason=Reason.DOCUMENT_INVALID)
