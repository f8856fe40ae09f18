"""Documents of any size: small ones lie in their event, large ones beside the log."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from ..domain.draft import Draft
from ..domain.events import Document
from ..domain.run import CallState, Run
from ..store.journal import Journal

INLINE: Final = 65_536  # bytes; larger documents become artifacts


def keep(draft: Draft, body: bytes) -> Document:
    """The document for JSON text `body`, which is stored with the draft."""
    if len(body) <= INLINE:
        return Document(text=body.decode())
    artifact = hashlib.sha256(body).hexdigest()
    draft.artifacts[artifact] = body
    return Document(artifact=artifact, size=len(body))


async def text(journal: Journal, run_id: str, document: Document, draft: Draft | None = None) -> bytes:
    """The JSON text of a document, also of one that waits to be stored with `draft`."""
    if not document.artifact:
        return document.text.encode()
    if draft is not None and document.artifact in draft.artifacts:
        return draft.artifacts[document.artifact]
    return await journal.artifact(run_id, document.artifact)


async def outputs(
    journal: Journal, run_id: str, run: Run, step_ids: set[str], draft: Draft | None = None
) -> dict[str, Any]:
    """The decoded output of each of these steps; steps whose output nobody knows are absent."""
    found: dict[str, Any] = {}
    for step_id in step_ids:
        calls = run.steps_calls(step_id)
        documents = [c.output for c in calls if c.state is CallState.DONE and c.output is not None]
        if calls and len(documents) == len(calls):
            values = [
                msgspec.json.decode(await text(journal, run_id, document, draft)) for document in documents
            ]
            found[step_id] = values[0] if len(values) == 1 else values
    return found
