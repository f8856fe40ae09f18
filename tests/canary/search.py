"""Looks for secrets in everything there is to see, in every form that anybody would write them in."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus


def forms(secret: str) -> dict[str, bytes]:
    """What to look for, by the name of the form."""
    data = secret.encode()
    found = {
        "plain": secret,
        "JSON": json.dumps(secret)[1:-1],
        "JSON in JSON": json.dumps(json.dumps(secret))[3:-3],
        "HTML": html.escape(secret),
        "HTML without quotes": html.escape(secret, quote=False),
        "URL": quote(secret, safe=""),
        "URL in lower case": quote(secret, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
        "path": quote(secret),
        "form": quote_plus(secret),
        "URL twice": quote(quote(secret, safe=""), safe=""),
        "hex": data.hex(),
        "HEX": data.hex().upper(),
        "repr": repr(secret)[1:-1],
    }
    for shift in range(3):
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            whole = encode(os.urandom(shift) + data + os.urandom(3)).decode()
            # Only digits that nothing but the secret decides: those of its neighbours may differ.
            first, last = -(-shift * 4 // 3), (shift + len(data)) * 4 // 3
            found[f"{name} behind {shift}"] = whole[first:last]
    return {name: form.encode() for name, form in found.items()}


class Search:
    """What was looked for where, and what was found."""

    def __init__(self, secrets: Mapping[str, Iterable[str]]) -> None:
        self._forms = [
            (door, secret, name, form)
            for door, hidden in secrets.items()
            for secret in hidden
            for name, form in forms(secret).items()
        ]
        self.places: dict[str, int] = {}
        self.bytes = 0
        self.findings: list[tuple[str, str, str]] = []  # place, door, form

    @property
    def tries(self) -> int:
        return len(self._forms) * sum(self.places.values())

    def look(self, place: str, seen: bytes | str, *, knows: Iterable[str] = ()) -> None:
        """`knows`: secrets that may be seen there, such as a key in the answer that gives it."""
        data = seen if isinstance(seen, bytes) else seen.encode()
        self.places[place] = self.places.get(place, 0) + 1
        self.bytes += len(data)
        known = set(knows)
        self.findings += [
            (place, door, name)
            for door, secret, name, form in self._forms
            if secret not in known and form in data
        ]

    def table(self) -> Iterator[str]:
        """What was done, in lines."""
        doors = len({door for door, *_ in self._forms})
        hidden = len({secret for _, secret, *_ in self._forms})
        yield f"{doors} doors, {hidden} secrets, {len(self._forms)} spellings of them"
        for place, count in sorted(self.places.items()):
            yield f"  {count:>5} x {place}"
        yield f"{self.tries} searches over {self.bytes:,} bytes: {len(self.findings)} findings"
