"""base64url: what was encoded is decoded, padded or not."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errands_server import base64url


@given(data=st.binary(max_size=70))
def test_bytes_are_decoded_as_they_were_encoded(data: bytes) -> None:
    text = base64url.encode(data)

    assert "=" not in text
    assert base64url.decode(text) == data
    assert base64url.decode(base64.urlsafe_b64encode(data).decode()) == data


@pytest.mark.parametrize("text", ["a", "abcde", "ключ"])
def test_a_text_that_encodes_no_bytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        base64url.decode(text)
