"""Imports OpenAPI documents: makes revisions of integrations, off the event loop where that takes long."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Final

import msgspec
from msgspec import Struct

from ...domain.errors import Invalid, Reason, Violation
from ...store.repositories.integrations import Revision
from ..operation import Operation
from ..origins import origin_of
from .document import Description, describe
from .import_limits import ImportSlot, run_in_thread
from .json_node import DocumentError, JsonDocument
from .loader import LoadedDocument, fetch_document, load, pack, parse_texts, unpack

KIND: Final = "openapi"


class OpenApiSource(Struct, frozen=True):
    """Where a description comes from: its text, or a URL it is fetched from once."""

    url: str = ""
    text: str = ""


class OpenApiTerms(Struct, frozen=True, kw_only=True):
    """How a description is to be read."""

    base_url: str = ""  # where requests go; "" leaves it to the document
    current_url: str = ""  # where requests went so far; a document that is read again does not move them
    internal: bool = False  # private addresses may be reached
    honours_keys: bool = False  # the service takes an Idempotency-Key on every write
    only_from: str = ""  # the one private origin a description may be fetched from; "" for any


class ToolChanges(Struct, frozen=True):
    """Names of tools, sorted."""

    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    changed: Sequence[str] = ()  # sent or described in another way


async def import_source(
    source: OpenApiSource, terms: OpenApiTerms, *, slot: ImportSlot | None = None
) -> Revision:
    """A revision, without a credential, from a source. Its text is fetched before the slot is taken.

    Invalid: DOCUMENT_INVALID, DOCUMENT_UNREACHABLE, ADDRESS_FORBIDDEN.
    """
    try:
        internal = terms.internal and (
            not source.url or terms.only_from in {"", origin_of(source.url, "openapi_url")}
        )
        text = source.text or await fetch_document(source.url, internal=internal)
        async with slot or nullcontext():
            loaded, root = await load(text, source.url, internal=internal)
            return await run_in_thread(_make_revision, loaded, root, terms)
    except DocumentError as error:
        raise _invalid(error, "openapi_document" if source.text else "openapi_url") from error


async def reimport(stored: bytes, terms: OpenApiTerms, *, slot: ImportSlot) -> Revision:
    """A revision from the stored texts of an earlier one; nothing is fetched. Invalid: as above."""

    def read() -> Revision:
        loaded = unpack(stored)
        return _make_revision(loaded, parse_texts(loaded), terms)

    try:
        async with slot:
            return await run_in_thread(read)
    except DocumentError as error:
        raise _invalid(error, "openapi_document") from error


async def changes_between(old: Revision, new: Revision) -> ToolChanges:
    """What the new revision changes in the tools of the old one."""
    if old.operations == new.operations:
        return ToolChanges()
    return await run_in_thread(lambda: tool_changes(_operations(old), _operations(new)))


def tool_changes(old: Sequence[Operation], new: Sequence[Operation]) -> ToolChanges:
    """Which tools were added, removed or changed."""
    before, after = ({one.tool.name: one for one in operations} for operations in (old, new))
    return ToolChanges(
        added=sorted(after.keys() - before.keys()),
        removed=sorted(before.keys() - after.keys()),
        changed=sorted(name for name in before.keys() & after.keys() if before[name] != after[name]),
    )


async def given_base_url(stored: bytes) -> str:
    """The base URL a caller gave with the stored texts; "" where none did."""
    return (await run_in_thread(unpack, stored)).base_url


def _operations(revision: Revision) -> tuple[Operation, ...]:
    return msgspec.json.decode(revision.operations, type=tuple[Operation, ...])


def _make_revision(loaded: LoadedDocument, root: JsonDocument, terms: OpenApiTerms) -> Revision:
    given, description = _describe(root, terms)
    return Revision(
        kind=KIND,
        base_url=given or description.origin + description.base_path,
        internal=terms.internal,
        honours_keys=terms.honours_keys,
        document=pack(LoadedDocument(url=loaded.url, texts=loaded.texts, base_url=given)),
        operations=msgspec.json.encode(description.operations),
        schemes=msgspec.json.encode(description.schemes).decode(),
        tool_count=len(description.operations),
        left_out=tuple(f"{omitted.place}: {omitted.why}" for omitted in description.left_out),
    )


def _describe(root: JsonDocument, terms: OpenApiTerms) -> tuple[str, Description]:
    """The base URL that has to be given, "" where the document names it, and the description."""
    current = terms.current_url
    if terms.base_url or not current:
        given = terms.base_url
        return given, describe(root, base_url=given, honours_keys=terms.honours_keys)
    try:
        description = describe(root, honours_keys=terms.honours_keys)
    except DocumentError:  # perhaps only because it names no server
        description = None
    if description is not None and description.origin + description.base_path == current:
        return "", description
    return current, describe(root, base_url=current, honours_keys=terms.honours_keys)


def _invalid(error: DocumentError, field: str) -> Invalid:
    if error.place == "baseUrl":
        return Invalid([Violation("base_url", error.message)])
    return Invalid([Violation(field, str(error))], reason=Reason.DOCUMENT_INVALID)
