"""Sealed secrets: only the right key and place open them, and nothing changed passes."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errands_server.store.encryption import Sealer, Unsealable, load_or_create_keys, parse_keys

OLD, NEW = b"o" * 32, b"n" * 32


@given(secret=st.binary(max_size=200), place=st.text(st.characters(codec="utf-8"), max_size=20))
def test_what_was_sealed_comes_back(secret: bytes, place: str) -> None:
    sealed = Sealer([OLD]).seal(secret, place)

    assert Sealer([OLD]).open(sealed, place) == secret
    assert len(secret) < 4 or secret not in sealed


def test_sealing_twice_gives_two_different_texts() -> None:
    sealer = Sealer([OLD])

    assert sealer.seal(b"secret", "a") != sealer.seal(b"secret", "a")


def test_a_rotated_key_still_opens_and_the_first_seals() -> None:
    sealed = Sealer([OLD]).seal(b"secret", "here")
    rotated = Sealer([NEW, OLD])

    assert rotated.open(sealed, "here") == b"secret"
    assert Sealer([NEW]).open(rotated.seal(b"secret", "here"), "here") == b"secret"
    with pytest.raises(Unsealable):
        Sealer([OLD]).open(rotated.seal(b"secret", "here"), "here")


def test_a_key_that_is_gone_opens_nothing() -> None:
    with pytest.raises(Unsealable, match="does not have"):
        Sealer([NEW]).open(Sealer([OLD]).seal(b"secret", "here"), "here")


def test_a_secret_opens_only_in_its_place() -> None:
    with pytest.raises(Unsealable, match="another place"):
        Sealer([OLD]).open(Sealer([OLD]).seal(b"secret", "here"), "there")


def test_no_change_goes_unnoticed() -> None:
    sealer = Sealer([OLD])
    sealed = sealer.seal(b"secret", "here")
    changed = [sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :] for i in range(len(sealed))]
    for wrong in (*changed, *(sealed[:length] for length in range(len(sealed))), sealed + b"x"):
        with pytest.raises(Unsealable):
            sealer.open(wrong, "here")


def test_a_mac_is_for_one_purpose_message_and_key() -> None:
    sealer = Sealer([OLD])
    mac = sealer.mac("link", b"message")

    assert sealer.verify("link", b"message", mac)
    assert Sealer([NEW, OLD]).verify("link", b"message", mac)
    assert not sealer.verify("ticket", b"message", mac)
    assert not sealer.verify("link", b"another", mac)
    assert not Sealer([NEW]).verify("link", b"message", mac)


@pytest.mark.parametrize("keys", [[], [b"short"], [OLD, b"x" * 33]])
def test_keys_of_another_length_are_refused(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(keys)


def test_keys_are_read_with_and_without_padding() -> None:
    text = base64.urlsafe_b64encode(OLD).decode()

    assert parse_keys(f" {text} ,{text.rstrip('=')},") == [OLD, OLD]


@pytest.mark.parametrize(
    "text", ["", " , ", "c2hvcnQ", "c2hvcnQ,x", "ключ", base64.urlsafe_b64encode(b"x" * 33).decode()]
)
def test_a_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        parse_keys(text)


def test_the_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"

    (key,) = load_or_create_keys(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(key) == 32
    assert load_or_create_keys(path) == [key]
    assert load_or_create_keys(tmp_path / "other.key") != [key]


def test_a_damaged_key_file_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_text("not a key")

    with pytest.raises(ValueError, match="32 random bytes"):
        load_or_create_keys(path)
    assert path.read_text() == "not a key"
