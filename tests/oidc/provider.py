"""A certified OpenID provider in a process of its own, and a browser that logs in there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from tests.counterparts import node, node_modules

PACKAGE = "oidc-provider@9.13.3"
PUBLIC_URL = "https://errands.test"  # nothing is ever fetched from there
CALLBACK = f"{PUBLIC_URL}/connect/callback"
SECRET = "canary+5f3e9/=1b7d"  # with characters that forms encode
_ACTION = re.compile(r'action="([^"]+)"')
_PROMPT = re.compile(r'name="prompt" value="([^"]+)"')


class Provider:
    """The provider, as tests look at it and meddle with it."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def counts(self) -> dict[str, int]:
        """How often each grant was given or failed, and how many tokens were taken away."""
        found: dict[str, int] = httpx2.get(f"{self.issuer}/_/counts").json()
        return found

    def forget(self, kind: str) -> None:
        """Take away every `AccessToken` or `RefreshToken`."""
        httpx2.get(f"{self.issuer}/_/{kind}").raise_for_status()


@contextmanager
def provider(*, ttl: int = 3_600, redirect: str = CALLBACK) -> Iterator[Provider]:
    """A provider whose access tokens last so many seconds, and which sends browsers back there."""
    modules = node_modules(PACKAGE)
    settings = json.dumps({"redirect": redirect, "secret": SECRET, "ttl": ttl})
    with node(Path(__file__).with_suffix(".mjs"), str(modules), settings) as issuer:
        yield Provider(issuer)


class Browser:
    """Follows redirects and fills in the provider's forms, with cookies of its own."""

    def __init__(self, login: str = "ada", callback: str = CALLBACK) -> None:
        self._login = login
        self._callback = callback
        self.proof = f"proof-of-{login}-".ljust(43, "x")

    def visit(self, url: str, *, abort: bool = False) -> dict[str, str]:
        """What the provider sends the browser back to the callback with."""
        with httpx2.Client(follow_redirects=False) as client:
            answer = client.get(url)
            while True:
                location = answer.headers.get("location", "")
                if location.startswith(self._callback):
                    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
                answer = (
                    client.get(answer.url.join(location)) if location else self._fill(client, answer, abort)
                )

    def _fill(self, client: Any, answer: Any, abort: bool) -> Any:
        assert answer.status_code == 200, answer.text
        if abort:
            return client.get(f"{answer.url}/abort")
        form = {"prompt": _PROMPT.findall(answer.text)[0], "login": self._login, "password": "any"}
        return client.post(answer.url.join(_ACTION.findall(answer.text)[0]), data=form)
