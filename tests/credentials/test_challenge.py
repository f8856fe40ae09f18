"""What services say of credentials they refuse, as RFC 6750 has it and as they write it."""

from __future__ import annotations

import pytest

from errands_server.credentials.oauth.discovery import Challenge, parse_challenge


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Challenge()),
        ("Basic realm=x", Challenge()),
        ('Bearer error="invalid_token"', Challenge("invalid_token")),
        (
            'Bearer realm="a", error="insufficient_scope", scope="read write read"',
            Challenge("insufficient_scope", ("read", "write")),
        ),
        ("bearer error=insufficient_scope", Challenge("insufficient_scope")),
        (
            'Basic realm="error=x", Bearer error="insufficient_scope",scope="https://a.test/b.c"',
            Challenge("insufficient_scope", ("https://a.test/b.c",)),
        ),
        ('Bearer error_description="no error = here"', Challenge()),
        ('Bearer scope="a b", error = "insufficient_scope"', Challenge("insufficient_scope", ("a", "b"))),
    ],
)
def test_a_challenge_is_read_as_it_is_written(header: str, expected: Challenge) -> None:
    assert parse_challenge(header) == expected
