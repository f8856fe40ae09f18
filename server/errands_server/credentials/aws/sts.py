"""Temporary keys of AWS roles: AWS STS gives them to this server's own identity."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any, Final

from ...environment import Environment
from ...ports import CallFailed
from ..pass_through.entries import AwsKeys, AwsRole
from ..pass_through.token_cache import CachedToken, TokenCache, cache_key, good_until, refusal, unreachable
from .sigv4 import region_of

_DURATION: Final = 3_600  # seconds; what every role allows
_TIMEOUT: Final = 10  # seconds for one try of a request
_GLOBAL: Final = "us-east-1"


class AwsRoles:
    """Temporary keys of roles, cached by tenant, role and external id."""

    def __init__(self, endpoint: str, environment: Environment) -> None:
        self._endpoint = endpoint
        self._now = environment.now
        self._tokens: TokenCache[AwsKeys] = TokenCache(environment.now)
        self._lock = threading.Lock()
        self._client: Any = None

    async def aclose(self) -> None:
        """Wait for the fetches under way."""
        await self._tokens.aclose()

    async def keys(self, tenant: str, run_id: str, role: AwsRole) -> AwsKeys | CallFailed:
        """Keys of the role. The run that fetches them gives their session its name."""
        fetch = partial(asyncio.to_thread, self._assume, role, f"errands-{run_id}")
        return await self._tokens.get(cache_key(tenant, role), fetch)

    def find(self, tenant: str, role: AwsRole) -> AwsKeys | None:
        """See `TokenCache.find`."""
        return self._tokens.find(cache_key(tenant, role))

    def invalidate(self, tenant: str, role: AwsRole, refused: AwsKeys) -> bool:
        """See `TokenCache.invalidate`."""
        return self._tokens.invalidate(cache_key(tenant, role), refused)

    def _assume(self, role: AwsRole, session: str) -> CachedToken[AwsKeys] | CallFailed:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            answer = self._sts().assume_role(
                RoleArn=role.role_arn,
                ExternalId=role.external_id,
                RoleSessionName=session,
                DurationSeconds=_DURATION,
            )
        except ClientError as error:
            details = error.response.get("Error", {})
            return refusal(f"AWS STS refused the role: {details.get('Code')}: {details.get('Message')}")
        except NoCredentialsError:
            return refusal("this server has no AWS identity with which to assume roles")
        except BotoCoreError as error:
            return unreachable(f"AWS STS cannot be asked for the role: {error}")
        found = answer["Credentials"]
        keys = AwsKeys(
            access_key_id=found["AccessKeyId"],
            secret_access_key=found["SecretAccessKey"],
            session_token=found["SessionToken"],
        )
        lifetime = int(found["Expiration"].timestamp() * 1_000) - self._now()
        return CachedToken(keys, good_until(self._now(), lifetime))

    def _sts(self) -> Any:
        """A client of STS. Its identity comes from environment, profile or machine, as in AWS's tools."""
        with self._lock:
            if self._client is None:
                # Imported here: it takes a third of a second, and few runs assume roles.
                from botocore.config import Config
                from botocore.session import Session

                session = Session()
                region = region_of(self._endpoint) or session.get_config_variable("region") or _GLOBAL
                limits = Config(
                    connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries={"total_max_attempts": 2}
                )
                self._client = session.create_client(
                    "sts", region_name=region, endpoint_url=self._endpoint, config=limits
                )
            return self._client
