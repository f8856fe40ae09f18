"""Credentials that came with a run, made ready for its calls."""

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
from ..aws.sigv4 import AwsSigner, target
from ..aws.sts import AwsRoles
from ..credential import Credential
from ..redaction import secrets_of, spelled
from ..requirements import CredentialRequirement, ResolvedCredential
from .entries import SHORTEST, AwsKeys, AwsRole, OktaApp, PassThrough, unseal
from .okta import OktaTokens
from .token_cache import refusal

MAX_RUNS: Final = 1_000  # whose secrets stay opened
UNTOLD: Final = (
    "the host does not tell the AWS service and region; name them in a security scheme of the document, "
    "as x-errands-aws: {service, region}"
)

_Entries = Mapping[str, PassThrough]  # by integration


class PassThroughResolver:
    """What came with each run that has not ended. `roles` is None where none may be assumed."""

    def __init__(self, journal: Journal, sealer: Sealer, apps: OktaTokens, roles: AwsRoles | None) -> None:
        self._journal = journal
        self._sealer = sealer
        self._apps = apps
        self._roles = roles
        self._opened: LruCache[tuple[str, str], _Entries] = LruCache(MAX_RUNS)

    def forget(self, tenant: str, run_id: str) -> None:
        """The run has ended."""
        self._opened.remove((tenant, run_id))

    async def access(
        self, request: CallRequest, demand: CredentialRequirement
    ) -> ResolvedCredential | CallFailed:
        """What authenticates a call of an integration for which something came with its run."""
        entry = (await self._of(request)).get(request.ref.integration_id)
        if entry is None:
            return refusal("what came with the run cannot be read any more; ask for it anew")
        headers, signer = entry.headers, None
        match entry.values:
            case AwsKeys() | AwsRole() as given:
                made = await self._signer(request, demand, given)
                if isinstance(made, CallFailed):
                    return made
                signer = made
            case OktaApp() as app:
                token = await self._apps.token(request.tenant, app, internal=_may_be_internal(app, demand))
                if isinstance(token, CallFailed):
                    return token
                headers = {**headers, "authorization": f"Bearer {token}"}
        credential = Credential(headers=headers, query=entry.query, signer=signer, plain=entry.plain)
        return ResolvedCredential(credential=credential, source=CredentialSource.RUN)

    async def renewed(
        self, request: CallRequest, demand: CredentialRequirement, refused: ResolvedCredential
    ) -> ResolvedCredential | CallFailed | None:
        """Another try where what was refused had been obtained and kept; None where it had not."""
        entry = (await self._of(request)).get(request.ref.integration_id)
        match entry:
            case PassThrough(values=OktaApp() as app):
                token = refused.credential.headers["authorization"].removeprefix("Bearer ")
                stale = self._apps.forget(request.tenant, app, token)
            case PassThrough(values=AwsRole() as role):
                stale = self._roles is not None and self._roles.forget(
                    request.tenant, role, _keys(refused.credential.signer)
                )
            case _:
                stale = False
        return await self.access(request, demand) if stale else None

    async def known(self, request: CallRequest) -> frozenset[str]:
        """Every secret that came with the run, and what was obtained with them."""
        entries = await self._of(request)
        return frozenset(secret for entry in entries.values() for secret in self._secrets(request, entry))

    def _secrets(self, request: CallRequest, entry: PassThrough) -> Iterator[str]:
        yield from _given(entry)
        if isinstance(entry.values, OktaApp):
            yield self._apps.known(request.tenant, entry.values) or ""
        if isinstance(entry.values, AwsRole) and self._roles is not None:
            keys = self._roles.known(request.tenant, entry.values)
            if keys is not None:
                yield from (keys.access_key_id, keys.secret_access_key, keys.session_token)

    async def _signer(
        self, request: CallRequest, demand: CredentialRequirement, given: AwsKeys | AwsRole
    ) -> AwsSigner | CallFailed:
        told = target(demand.origin, demand.schemes)
        if told is None:
            return refusal(UNTOLD)
        keys: AwsKeys | CallFailed
        if isinstance(given, AwsKeys):
            keys = given
        elif self._roles is None:
            return refusal("this server assumes no AWS roles")
        else:
            keys = await self._roles.keys(request.tenant, request.run_id, given)
        if isinstance(keys, CallFailed):
            return keys
        service, region = told
        return AwsSigner(
            access_key_id=keys.access_key_id,
            secret_access_key=keys.secret_access_key,
            session_token=keys.session_token,
            service=service,
            region=region,
        )

    async def _of(self, request: CallRequest) -> _Entries:
        """What came with the request's run, and is kept open until it ends."""
        key = (request.tenant, request.run_id)
        if not request.passed:
            return {}
        entries = self._opened.find(key)
        return self._opened.keep(key, await self._open(*key)) if entries is None else entries

    async def _open(self, tenant: str, run_id: str) -> _Entries:
        entries = {entry.integration_id: entry for entry in await self.read(tenant, run_id)}
        # Many or long ones take a while to be made into patterns; then they are kept.
        await asyncio.to_thread(_prepare, list(entries.values()))
        return entries

    async def read(self, tenant: str, run_id: str) -> Sequence[PassThrough]:
        """What came with a run; nothing where it has ended or cannot be opened."""
        sealed = await self._journal.secrets(tenant, run_id)
        try:
            return () if sealed is None else unseal(self._sealer, sealed, tenant, run_id)
        except Unsealable:
            return ()


async def holding(entries: Iterable[PassThrough], texts: Mapping[str, str]) -> list[str]:
    """The names of those texts that hold a secret of these entries, however it is written."""
    return await asyncio.to_thread(_holding, list(entries), texts)


def _holding(entries: list[PassThrough], texts: Mapping[str, str]) -> list[str]:
    hidden = {secret for entry in entries for secret in _given(entry) if len(secret) >= SHORTEST}
    known = [spelled(secret) for secret in hidden]
    return [name for name, text in texts.items() if any(secret.found_in(text) for secret in known)]


def _given(entry: PassThrough) -> Iterator[str]:
    yield from secrets_of(Credential(headers=entry.headers, query=entry.query, plain=entry.plain))
    yield from entry.secrets()


def spurned(answer: CallFailed) -> CallFailed:
    """The user cannot mend what the caller passed through, so nobody is asked to authorize anything."""
    message = f"what came with the run was refused: {answer.message}"
    return replace(refusal(message), status=answer.status)


def _prepare(entries: list[PassThrough]) -> None:
    if any(isinstance(entry.values, AwsKeys | AwsRole) for entry in entries):
        importlib.import_module("botocore.auth")  # takes a tenth of a second
    for entry in entries:
        for secret in (*entry.headers.values(), *entry.query.values(), *entry.secrets()):
            spelled(secret)


def _may_be_internal(app: OktaApp, demand: CredentialRequirement) -> bool:
    """An internal integration opens its own origin, and nothing beside it."""
    return demand.internal and origin(app.oauth_token_url) == demand.origin


def origin(url: str) -> str:
    """scheme://host[:port] as integrations have it. httpx2.InvalidURL."""
    parsed = httpx2.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"


def _keys(signer: AwsSigner | None) -> AwsKeys:
    assert signer is not None  # noqa: S101 (calls with a role are signed)
    return AwsKeys(
        access_key_id=signer.access_key_id,
        secret_access_key=signer.secret_access_key,
        session_token=signer.session_token,
    )
