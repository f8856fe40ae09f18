"""Credentials for an integration: read from the environment or a file, never from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, Final, TypeAlias

import click

from errands.v1.integration_pb2 import (
    ApiKeyCredential,
    ApiKeysCredential,
    BasicCredential,
    BearerCredential,
    IntegrationCredential,
)

from . import secrets

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

_PLACES: Final = ("header", "query", "cookie")


def source_options(name: str, what: str) -> list[Decorator]:
    """Options for the places a secret may come from."""
    return [
        click.option(f"--{name}-env", metavar="VAR", help=f"Environment variable with the {what}."),
        click.option(f"--{name}-file", metavar="FILE", help=f"File with the {what}; - is stdin."),
    ]


_OPTIONS: Final[list[Decorator]] = [
    *source_options("bearer", "bearer token"),
    *(click.option(f"--api-key-{p}", metavar="NAME", help=f"Send an API key in this {p}.") for p in _PLACES),
    *source_options("api-key", "API key"),
    *source_options("api-keys", "API keys that are sent together: JSON, a list of {in, name, value}"),
    click.option("--basic-user", metavar="NAME", help="Log in as this user (basic authentication)."),
    *source_options("basic", "password"),
]


def credential_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that `read_credential` reads."""
    return add_options(command, _OPTIONS)


def add_options(command: Callable[..., Any], options: Sequence[Decorator]) -> Callable[..., Any]:
    """Add options to a command, in this order."""
    return reduce(lambda made, option: option(made), reversed(options), command)


def read_credential(given: Mapping[str, str | None]) -> IntegrationCredential | None:
    """The credential that the options describe; None without any. UsageError: two of them, or half of one."""
    found = [
        made
        for made in (_read_bearer(given), _read_api_key(given), _read_api_keys(given), _read_basic(given))
        if made
    ]
    if len(found) > 1:
        raise click.UsageError("an integration has one credential: a bearer token, API keys or a password")
    return found[0] if found else None


def _read_bearer(given: Mapping[str, str | None]) -> IntegrationCredential | None:
    token = _read_secret(given, "bearer")
    return IntegrationCredential(bearer=BearerCredential(token=token)) if token else None


def _read_api_key(given: Mapping[str, str | None]) -> IntegrationCredential | None:
    places = [(place, name) for place in _PLACES if (name := given[f"api_key_{place}"])]
    value = _read_secret(given, "api_key")
    if not places and not value:
        return None
    if len(places) != 1 or not value:
        raise click.UsageError(
            "an API key needs one of --api-key-header, -query, -cookie and one of --api-key-env, -file"
        )
    [(place, name)] = places
    key = ApiKeyCredential(name=name, value=value)
    setattr(key, "in", place)  # a keyword of Python
    return IntegrationCredential(api_key=key)


def _read_api_keys(given: Mapping[str, str | None]) -> IntegrationCredential | None:
    text = _read_secret(given, "api_keys")
    if not text:
        return None
    try:
        keys = [ApiKeyCredential(**key) for key in json.loads(text)]
    except (ValueError, TypeError):
        # Not the error itself, which may quote a secret.
        message = "--api-keys-env, -file: JSON is wanted, a list of"
        raise click.UsageError(f'{message} {{"in": "header", "name": "…", "value": "…"}}') from None
    return IntegrationCredential(api_keys=ApiKeysCredential(keys=keys))


def _read_basic(given: Mapping[str, str | None]) -> IntegrationCredential | None:
    username, password = given["basic_user"], _read_secret(given, "basic")
    if not username and not password:
        return None
    if not username or not password:
        raise click.UsageError("basic authentication needs --basic-user and one of --basic-env, --basic-file")
    return IntegrationCredential(basic=BasicCredential(username=username, password=password))


def _read_secret(given: Mapping[str, str | None], name: str) -> str:
    return secrets.read(given[f"{name}_env"], given[f"{name}_file"])
