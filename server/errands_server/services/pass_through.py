"""Checks credentials that are passed through with a run against its integrations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Final

import httpx2

from ..credentials.aws.sigv4 import service_and_region
from ..credentials.pass_through.entries import AwsKeys, AwsRole, OktaApp, PassThrough
from ..credentials.pass_through.resolver import NO_SERVICE_AND_REGION, find_leaks, origin
from ..domain.errors import Violation
from ..tools.catalog import ActiveIntegration, ToolCatalog

ALL: Final = "*"
_NO_ROLES: Final = "this server assumes no AWS roles; its operator may allow it with --aws-sts-endpoint"
_NO_AWS: Final = "this server cannot sign for AWS; its operator must install errands[aws]"


class PassThroughCheck:
    """Checks what is passed through. `roles`: whether this server assumes AWS roles."""

    def __init__(self, catalog: ToolCatalog, *, roles: bool) -> None:
        self._catalog = catalog
        self._roles = roles

    async def check(
        self, tenant: str, selection: Sequence[str], passed: Sequence[PassThrough]
    ) -> list[Violation]:
        """Everything that does not fit the selection. Messages quote ids only, never values."""
        active = await self._catalog.active(tenant)
        chosen = active.keys() if ALL in selection else active.keys() & set(selection)
        found: list[Violation] = []
        seen: set[str] = set()
        for index, entry in enumerate(passed):
            key = entry.integration_id
            place = f"pass_through[{index}].customer_integration_id"
            if key in seen:
                found.append(Violation(place, f"{key!r} is there already"))
            elif key not in chosen:
                found.append(Violation(place, f"{key!r} is no integration of the selection"))
            else:
                found += [
                    Violation(f"pass_through[{index}].{field}", message)
                    for field, message in await self._check_values(tenant, active[key], entry)
                ]
            seen.add(key)
        return found

    async def _check_values(
        self, tenant: str, current: ActiveIntegration, entry: PassThrough
    ) -> list[tuple[str, str]]:
        match entry.values:
            case AwsKeys() | AwsRole() as given:
                revision = current.integration.revision
                loaded = await self._catalog.load(tenant, entry.integration_id, revision)
                known = service_and_region(current.origin, loaded.schemes) is not None
                problems = (
                    (find_spec("botocore") is None, _NO_AWS),
                    (isinstance(given, AwsRole) and not self._roles, _NO_ROLES),
                    (not known, NO_SERVICE_AND_REGION),
                )
                return [("values", message) for wrong, message in problems if wrong]
            case OktaApp() as app:
                return list(_check_okta(current, app))
        return []


async def leaked_secrets(passed: Iterable[PassThrough], texts: Mapping[str, str]) -> list[Violation]:
    """A violation for each text, by field, that contains a secret although it is stored and shown."""
    message = "holds a secret that is passed through; leave it out, for this text is stored and shown"
    return [Violation(field, message) for field in await find_leaks(passed, texts)]


def _check_okta(current: ActiveIntegration, app: OktaApp) -> Iterator[tuple[str, str]]:
    """Check that the app's tokens go to the integration's origin, and are requested over TLS.

    A token URL at an internal integration's own origin needs no TLS.
    """
    if app.host and not _is_host_of(app.host, current.origin):
        yield "values.host", f"is not where the integration's calls go, which is {current.origin}"
    internal = current.integration.internal and origin(app.oauth_token_url) == current.origin
    if not internal and not app.oauth_token_url.startswith("https://"):
        yield "values.oauthTokenUrl", "must be an https URL"


def _is_host_of(host: str, wanted: str) -> bool:
    try:
        given = httpx2.URL(host if "://" in host else f"https://{host}")
    except httpx2.InvalidURL:
        return False
    at = httpx2.URL(wanted)
    return given.host == at.host and given.port in (None, at.port)
