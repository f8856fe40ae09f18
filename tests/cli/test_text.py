"""What services and models say cannot act on a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errands.cli.text import clean, format_json, format_table, shorten


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain, ünïcode, 日本語 😀", "plain, ünïcode, 日本語 😀"),
        ("\x1b[2Japproved", "\\x1b[2Japproved"),
        ("a\rb", "a\\rb"),
        ("cheap\u202eevil", "cheap\\u202eevil"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_what_is_not_printed_as_itself_is_escaped(said: str, shown: str) -> None:
    assert clean(said) == shown


@given(st.text())
def test_nothing_but_printable_characters_and_line_breaks_remains(text: str) -> None:
    assert all(c.isprintable() or c == "\n" for c in clean(text))


@given(st.dictionaries(st.text(), st.text()))
def test_json_shown_to_a_person_cannot_act_either(document: dict[str, str]) -> None:
    assert all(c.isprintable() or c == "\n" for c in format_json(document))


@given(st.text(), st.integers(1, 50))
def test_a_shortened_text_fits_on_one_line(text: str, width: int) -> None:
    short = shorten(text, width)

    assert len(short) <= width
    assert "\n" not in short


def test_a_table_is_aligned_and_its_cells_stay_on_their_line() -> None:
    assert format_table(("A", "B"), [("long cell", "x\ny")]) == "A          B\nlong cell  x y"
