"""Makes an answer fit to be stored: without secrets, and short enough."""

from __future__ import annotations

from typing import Final, TypeVar

from msgspec import structs

from ..credentials.credential import Credential
from ..credentials.scrubbing import scrub, scrub_json
from ..ports import Answer, Done

MAX_MESSAGE: Final = 500  # characters, after secrets are out: a cut must not leave half of one


_Said = TypeVar("_Said", bound=Answer)


def cleaned(answer: _Said, credential: Credential) -> _Said:
    """The answer without what the credential holds."""
    if isinstance(answer, Done):
        return structs.replace(answer, output=scrub_json(answer.output, credential))
    return structs.replace(answer, message=scrub(answer.message, credential)[:MAX_MESSAGE])
