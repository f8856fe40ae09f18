"""Texts of answers: whatever bytes come and whatever they are said to be, there is a text or none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errands_server.tools.answer_text import MAX_DEPTH, decode_json, decode_text, read_json, unescape_html

# Python knows codecs that raise, that unpack, and that take minutes; none of them is a character set.
CODECS = ("idna", "undefined", "punycode", "base64", "zlib", "bz2", "hex", "rot13", "unicode_escape", "mbcs")


@pytest.mark.parametrize("charset", [*CODECS, "no-such", "\0", "../os", "é", "utf-8\r", "x" * 10_000])
def test_a_charset_that_is_none_never_raises(charset):
    content_type = f"application/json; charset={charset}"

    assert decode_text(b"plain", content_type) == "plain"
    assert decode_text(b"\xff\xfe\xfd plain"[2:], content_type) in (None, "\N{REPLACEMENT CHARACTER} plain")


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        ("é".encode("latin-1"), "ISO-8859-1", "é"),
        ("é".encode("utf-16"), "", "é"),
        ("é".encode("utf-8-sig"), "latin-1", "é"),
        ("日本".encode("shift_jis"), "Shift_JIS", "日本"),
        ("ж".encode("cp1251"), '"windows-1251"', "ж"),
        (b"\xff", "utf-8", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_the_character_sets_of_texts_are_read(body, charset, text):
    assert decode_text(body, f"text/plain; charset={charset}") == text


def test_entities_of_any_length_are_read():
    assert unescape_html("&#65;&amp;&#x42;") == "A&B"
    assert (
        unescape_html(f"a&#{'9' * 5_000};b&#x{'f' * 5_000};c")
        == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    )


def test_half_a_surrogate_pair_is_one_odd_character_and_the_document_stays_one():
    assert decode_json(r'{"name": "a\ud83db", "whole": "\ud83d\ude00"}') == {"name": "a�b", "whole": "😀"}


def test_json_is_read_to_a_depth_and_no_deeper():
    assert decode_json("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    assert read_json("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)) is None
    assert read_json(json.dumps(["[" * 1_000])) is not None, "brackets in a string are none"


@given(st.binary(max_size=200), st.text(max_size=30))
def test_any_bytes_under_any_name_are_a_text_or_none(body, content_type):
    text = decode_text(body, f"text/html; charset={content_type}")
    if text is not None:
        text.encode()
        unescape_html(text)
        read_json(text)
