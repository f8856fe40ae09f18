"""Makes the credentials of calls from what came with their run."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import httpx2
from msgspec.structs import replace

from ...lru import LruCache
from ...ports import CallFailed, CallRequest, CredentialSource
from ...store.encryption import Sealer, Unsealable
from ...store.journal import Journal
from ..aws.sigv4 import AwsSigner, service_and_region
from ..aws.sts import AwsRoles
from ..credential import Credential
from ..redaction import matcher_for, secrets_of
from ..requirements import CredentialRequirement, ResolvedCredential
from .entries import SHORTEST, AwsKeys, AwsRole, OktaApp, PassThrough, unseal
from .okta import OktaTokens
from .token_cache import refusal

MAX_RUNS: Final = 1_000  # whose secrets are cached in memory
NO_SERVICE_AND_REGION: Final = (
    "the host does not tell the AWS service and region; name them in a security scheme of the document, "
    "as x-errands-aws: {service, region}"
)

_Entries = Mapping[str, PassThrough]  # by integration


class PassThroughResolver:
    """What came with each run that has not ended."""

    def __init__(self, journal: Journal, sealer: Sealer, apps: OktaTokens, roles: AwsRoles | None) -> None:
        """`roles` is None where this server may assume none."""
        self._journal = journal
        self._sealer = sealer
        self._apps = apps
        self._roles = roles
        self._entries_by_run: LruCache[tuple[str, str], _Entries] = LruCache(MAX_RUNS)

    def forget(self, tenant: str, run_id: str) -> None:
        """Drop the secrets of a run that has ended."""
        self._entries_by_run.remove((tenant, run_id))

    async def obtain(
        self, request: CallRequest, requirement: CredentialRequirement
    ) -> ResolvedCredential | CallFailed:
        """The credential of a call of an integration for which something came with its run."""
        entry = (await self._entries(request)).get(request.ref.integration_id)
        if entry is None:
            return refusal("what came with the run cannot be read any more; ask for it anew")
        headers, signer = entry.headers, None
        match entry.values:
            case AwsKeys() | AwsRole() as values:
                made = await self._signer(request, requirement, values)
                if isinstance(made, CallFailed):
                    return made
                signer = made
            case OktaApp() as app:
                internal = _is_internal(app, requirement)
                token = await self._apps.token(request.tenant, app, internal=internal)
                if isinstance(token, CallFailed):
                    return token
                headers = {**headers, "authorization": f"Bearer {token}"}
        credential = Credential(headers=headers, query=entry.query, signer=signer, plain=entry.plain)
        return ResolvedCredential(credential=credential, source=CredentialSource.RUN)

    async def replace_refused(
        self, request: CallRequest, requirement: CredentialRequirement, refused: ResolvedCredential
    ) -> ResolvedCredential | CallFailed | None:
        """A credential for a second try, where the refused one came from a cache; None otherwise."""
        entry = (await self._entries(request)).get(request.ref.integration_id)
        match entry:
            case PassThrough(values=OktaApp() as app):
                token = refused.credential.headers["authorization"].removeprefix("Bearer ")
                stale = self._apps.invalidate(request.tenant, app, token)
            case PassThrough(values=AwsRole() as role):
                stale = self._roles is not None and self._roles.invalidate(
                    request.tenant, role, _keys(refused.credential.signer)
                )
            case _:
                stale = False
        return await self.obtain(request, requirement) if stale else None

    async def find_secrets(self, request: CallRequest) -> frozenset[str]:
        """Every secret that came with the run, and the cached tokens and keys obtained with them."""
        secrets: set[str] = set()
        for entry in (await self._entries(request)).values():
            secrets.update(_secrets_in(entry))
            if isinstance(entry.values, OktaApp):
                secrets.add(self._apps.find(request.tenant, entry.values) or "")
            if isinstance(entry.values, AwsRole) and self._roles is not None:
                keys = self._roles.find(request.tenant, entry.values)
                if keys is not None:
                    secrets.update((keys.access_key_id, keys.secret_access_key, keys.session_token))
        return frozenset(secrets)

    async def _signer(
        self, request: CallRequest, requirement: CredentialRequirement, values: AwsKeys | AwsRole
    ) -> AwsSigner | CallFailed:
        signed_for = service_and_region(requirement.origin, requirement.schemes)
        if signed_for is None:
            return refusal(NO_SERVICE_AND_REGION)
        keys: AwsKeys | CallFailed
        if isinstance(values, AwsKeys):
            keys = values
        elif self._roles is None:
            return refusal("this server assumes no AWS roles")
        else:
            keys = await self._roles.keys(request.tenant, request.run_id, values)
        if isinstance(keys, CallFailed):
            return keys
        service, region = signed_for
        return AwsSigner(
            access_key_id=keys.access_key_id,
            secret_access_key=keys.secret_access_key,
            session_token=keys.session_token,
            service=service,
            region=region,
        )

    async def _entries(self, request: CallRequest) -> _Entries:
        """What came with the request's run, by integration, cached until the run ends."""
        key = (request.tenant, request.run_id)
        if not request.passed:
            return {}
        entries = self._entries_by_run.find(key)
        return self._entries_by_run.keep(key, await self._open(*key)) if entries is None else entries

    async def _open(self, tenant: str, run_id: str) -> _Entries:
        entries = {entry.integration_id: entry for entry in await self.read(tenant, run_id)}
        # Patterns of many or long secrets take a while; they are cached.
        await asyncio.to_thread(_compile_matchers, list(entries.values()))
        return entries

    async def read(self, tenant: str, run_id: str) -> Sequence[PassThrough]:
        """What came with a run; nothing where the run has ended or the server's keys do not open it."""
        sealed = await self._journal.secrets(tenant, run_id)
        try:
            return () if sealed is None else unseal(self._sealer, sealed, tenant, run_id)
        except Unsealable:
            return ()


async def find_leaks(entries: Iterable[PassThrough], texts: Mapping[str, str]) -> list[str]:
    """The names of the texts that hold a secret of these entries, in any encoding."""
    return await asyncio.to_thread(_find_leaks, list(entries), texts)


def _find_leaks(entries: list[PassThrough], texts: Mapping[str, str]) -> list[str]:
    secrets = {secret for entry in entries for secret in _secrets_in(entry) if len(secret) >= SHORTEST}
    matchers = [matcher_for(secret) for secret in secrets]
    return [name for name, text in texts.items() if any(matcher.is_in(text) for matcher in matchers)]


def _secrets_in(entry: PassThrough) -> Iterator[str]:
    yield from secrets_of(Credential(headers=entry.headers, query=entry.query, plain=entry.plain))
    yield from entry.secrets()


def rejected_by_service(result: CallFailed) -> CallFailed:
    """The result of a call whose passed-through credential the service refused: no user can authorize it."""
    message = f"what came with the run was refused: {result.message}"
    return replace(refusal(message), status=result.status)


def _compile_matchers(entries: list[PassThrough]) -> None:
    if any(isinstance(entry.values, AwsKeys | AwsRole) for entry in entries):
        importlib.import_module("botocore.auth")  # it takes a tenth of a second
    for entry in entries:
        for secret in (*entry.headers.values(), *entry.query.values(), *entry.secrets()):
            matcher_for(secret)


def _is_internal(app: OktaApp, requirement: CredentialRequirement) -> bool:
    """An internal integration allows requests to its own origin, and to no other inside the network."""
    return requirement.internal and origin(app.oauth_token_url) == requirement.origin


def origin(url: str) -> str:
    """scheme://host[:port] of a URL, as integrations have it. httpx2.InvalidURL."""
    parsed = httpx2.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"


def _keys(signer: AwsSigner | None) -> AwsKeys:
    assert signer is not None  # noqa: S101 (calls with a role are signed)
    return AwsKeys(
        access_key_id=signer.access_key_id,
        secret_access_key=signer.secret_access_key,
        session_token=signer.session_token,
    )
