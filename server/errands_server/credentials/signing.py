"""Signs requests for AWS (Signature Version 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

# What a proxy may rewrite on the way is not signed; the rest of what is sent is.
_UNSIGNED: Final = frozenset({"accept", "accept-encoding", "cookie", "traceparent"})


class AwsSigner(Struct, frozen=True, kw_only=True):
    """Credentials of AWS, and what their signatures are good for."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    service: str  # as signatures name it: sqs, execute-api
    region: str

    def __repr__(self) -> str:
        return "AwsSigner(...)"

    @property
    def secrets(self) -> tuple[str, ...]:
        return self.access_key_id, self.secret_access_key, self.session_token

    def signed(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> dict[str, str]:
        """The headers with a signature over method, URL, headers and body. ImportError: no extra `aws`."""
        # Takes a tenth of a second to import, and few services are AWS's.
        from botocore.auth import S3SigV4Auth, SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        signed = {name: value for name, value in headers.items() if name.lower() not in _UNSIGNED}
        request = AWSRequest(method=method, url=url, headers=signed, data=body or b"")
        keys = Credentials(self.access_key_id, self.secret_access_key, self.session_token)
        # S3 alone signs the path as it is, and names the body's hash in a header.
        sign = S3SigV4Auth if self.service == "s3" else SigV4Auth
        sign(keys, self.service, self.region).add_auth(request)
        return {**headers, **{name.lower(): value for name, value in request.headers.items()}}
