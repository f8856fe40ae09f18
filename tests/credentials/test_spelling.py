"""A secret is found in whatever spelling it comes back, and no text makes looking for it slow."""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errands_server.credentials.credential import Credential
from errands_server.credentials.redaction import HIDDEN, scrub, scrub_json

SECRETS = st.text(
    st.one_of(st.sampled_from("abcXYZ012-_.~/+= %&\\\"'<>:;\n\t"), st.characters(codec="utf-8")),
    min_size=6,
    max_size=60,
).filter(lambda secret: len(set(secret)) > 3)
AROUND = st.text(st.sampled_from("mnop "), max_size=5)


def written(text: str) -> dict[str, str]:
    """A text as services write it."""
    data = text.encode()
    return {
        "plain": text,
        "JSON": json.dumps(text),
        "JSON with all characters": json.dumps(text, ensure_ascii=False),
        "JSON in JSON": json.dumps(json.dumps(text)),
        "JSON with slashes": json.dumps(text).replace("/", "\\/"),
        "URL": quote(text, safe=""),
        "path": quote(text),
        "form": quote_plus(text),
        "URL twice": quote(quote(text, safe=""), safe=""),
        "HTML": html.escape(text),
        "hex": data.hex(),
        "HEX": data.hex().upper(),
        "base64": base64.b64encode(data).decode(),
        "base64url": base64.urlsafe_b64encode(data).decode(),
    }


@given(SECRETS, AROUND, AROUND)
def test_a_secret_is_found_in_every_spelling(secret: str, before: str, after: str) -> None:
    credential = Credential(known=frozenset({secret}))
    for name, text in written(f"{before}{secret}{after}").items():
        assert HIDDEN in scrub(text, credential), name


@given(SECRETS, st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), st.lists))
def test_a_document_without_secrets_is_left_byte_for_byte(secret: str, value: object) -> None:
    document = json.dumps(value).encode()
    credential = Credential(known=frozenset({f"{secret}{secret}-nowhere"}))

    assert scrub_json(document, credential) is document


def test_escapes_that_nobody_needs_hide_nothing() -> None:
    document = json.dumps({"s3cr3t": ["s3cr3t"]}).replace(
        "s3cr3t", "".join(f"\\u{ord(c):04x}" for c in "s3cr3t")
    )

    assert json.loads(scrub_json(document.encode(), Credential(known=frozenset({"s3cr3t"})))) == {
        HIDDEN: [HIDDEN]
    }


def test_a_longer_secret_leaves_nothing_over_behind_a_shorter_one() -> None:
    credential = Credential(known=frozenset({"s3cr3t", "s3cr3t-and-more"}))

    assert scrub("a s3cr3t-and-more b s3cr3t c", credential) == f"a {HIDDEN} b {HIDDEN} c"


def test_plain_words_are_no_secrets_where_they_are_said_not_to_be() -> None:
    credential = Credential(
        headers={"accept-language": "german", "x-key": "s3cr3t"}, plain=frozenset({"accept-language"})
    )

    assert scrub("german s3cr3t", credential) == f"german {HIDDEN}"


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ('\\"' * 40, '\\\\\\\\\\\\\\\\"' * 20_000),
        ('\\"' * 40, "\\" * 200_000),
        ("%25" * 40, "%25" * 70_000),
        ("&amp;" * 40, "&amp;" * 40_000),
        (" +" * 40, "+ " * 100_000),
        ("a/" * 40, "a\\/" * 70_000),
    ],
)
def test_no_text_makes_it_slow(secret: str, text: str) -> None:
    """Backtracking would take longer than anybody waits; the bound leaves room for a slow machine."""

    def seconds(looked_for: str, at: str, clock: Callable[[], float] = time.process_time) -> float:
        started = clock()
        scrub(at, Credential(known=frozenset({looked_for})))
        return clock() - started

    assert seconds(f"{secret}!", text) < 20
