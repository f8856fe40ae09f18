"""What an operation needs: of its alternatives the least, and the place of a key."""

from __future__ import annotations

import pytest

from errands_server.credentials.grants import ApiKey
from errands_server.credentials.requirements import CredentialRequirement, scopes_to_grant, to_credential
from errands_server.credentials.security_scheme import SecurityScheme

SCHEMES = {
    "login": SecurityScheme(kind="oauth2"),
    "key": SecurityScheme(kind="apiKey", location="query", name="k"),
    "other": SecurityScheme(kind="apiKey", location="header", name="x-k"),
}


def _demand(*alternatives: tuple[tuple[str, ...], tuple[str, ...]]) -> CredentialRequirement:
    return CredentialRequirement(
        origin="https://a.test",
        schemes=SCHEMES,
        security=tuple(names for names, _ in alternatives),
        scopes=tuple(scopes for _, scopes in alternatives),
    )


@pytest.mark.parametrize(
    ("alternatives", "granted", "missing"),
    [
        ([(("login",), ("read",))], (), ("read",)),
        ([(("login",), ("read",))], ("read", "more"), ()),
        ([(("login",), ("all", "of")), (("login",), ("read",))], (), ("read",)),
        ([(("login",), ("all",)), (("login",), ("read",))], ("all",), ()),
        ([(("key",), ()), (("login",), ("read",))], (), ("read",)),
        ([(("key",), ())], (), ()),
        ([], (), ()),
    ],
)
def test_the_least_of_the_alternatives_is_asked_for(
    alternatives: list[tuple[tuple[str, ...], tuple[str, ...]]],
    granted: tuple[str, ...],
    missing: tuple[str, ...],
) -> None:
    assert scopes_to_grant(_demand(*alternatives), granted) == missing


def test_a_key_goes_where_the_operation_or_the_service_wants_it() -> None:
    key = ApiKey(value="v")
    own = ApiKey(value="v", location="cookie", name="c")
    asked = to_credential(key, _demand((("other",), ())))
    alone = to_credential(key, _demand((("key", "login"), ()), (("other",), ())))
    first = to_credential(key, _demand())

    assert asked is not None
    assert alone == asked
    assert asked.headers == {"x-k": "v"}
    assert first is not None
    assert first.query == {"k": "v"}
    assert to_credential(own, _demand()) is not None
    assert to_credential(key, CredentialRequirement(origin="https://a.test")) is None


def test_secrets_are_not_shown_by_their_representation() -> None:
    assert "v" not in repr(ApiKey(value="v", location="x", name="y")).removeprefix("ApiKey")
