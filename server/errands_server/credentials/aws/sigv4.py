"""Signs requests to AWS (Signature Version 4), and finds the service and region to sign for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from ..security_scheme import SecurityScheme

# Headers that a proxy may rewrite are not signed; all others are.
_UNSIGNED: Final = frozenset({"accept", "accept-encoding", "cookie", "traceparent"})


class AwsSigner(Struct, frozen=True, kw_only=True):
    """AWS keys, and the service and region that their signatures are for."""

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

    def sign(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> dict[str, str]:
        """The headers, with a signature over method, URL, headers and body. ImportError: no extra `aws`."""
        # Imported here: it takes a tenth of a second, and few services are AWS's.
        from botocore.auth import S3SigV4Auth, SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        to_sign = {name: value for name, value in headers.items() if name.lower() not in _UNSIGNED}
        request = AWSRequest(method=method, url=url, headers=to_sign, data=body or b"")
        keys = Credentials(self.access_key_id, self.secret_access_key, self.session_token)
        # S3 alone signs the path as it is, and names the body's hash in a header.
        auth = S3SigV4Auth if self.service == "s3" else SigV4Auth
        auth(keys, self.service, self.region).add_auth(request)
        return {**headers, **{name.lower(): value for name, value in request.headers.items()}}


_GLOBAL: Final = "us-east-1"  # where services without regions sign
_REGION: Final = re.compile(
    r"[a-z]{2,4}-(?:[a-z]+-)?(?:central|north|south|(?:north|south)?(?:east|west))-\d"
)
_S3_REGION: Final = re.compile(rf"s3-(?={_REGION.pattern}$)")  # how old hosts of S3 name their region
_DOMAINS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".on.aws")
# Services whose signatures name them differently from their hosts (AWS service endpoints).
_NAMES: Final[Mapping[str, str]] = {
    "bedrock-agent": "bedrock",
    "bedrock-agent-runtime": "bedrock",
    "bedrock-runtime": "bedrock",
    "email": "ses",
    "lambda-url": "lambda",
    "s3-accelerate": "s3",
    "s3-website": "s3",
}


def service_and_region(origin: str, schemes: Mapping[str, SecurityScheme]) -> tuple[str, str] | None:
    """Service and region as signatures name them. None: neither the host nor a scheme names the service."""
    host = urlsplit(origin).hostname or ""
    service, region = _parse_host(host) or ("", "")
    for scheme in schemes.values():
        service, region = scheme.aws_service or service, scheme.aws_region or region
    return (service, region or _GLOBAL) if service else None


def region_of(url: str) -> str:
    """The region in a host of AWS; "" where it names none."""
    found = _REGION.search(urlsplit(url).hostname or "")
    return found[0] if found else ""


def _parse_host(host: str) -> tuple[str, str] | None:
    domain = next((domain for domain in _DOMAINS if host.endswith(domain)), None)
    if domain is None:
        return None
    labels = _S3_REGION.sub("s3.", host.removesuffix(domain)).split(".")
    places = [index for index, label in enumerate(labels) if _REGION.fullmatch(label)]
    at = places[-1] if places else len(labels)
    region = labels[at] if places else ""
    # Names of buckets, APIs and tables come before the service; some services come behind the region.
    named = labels[at + 1 :] or [label for label in labels[:at] if label != "dualstack"]
    return (_signing_name(named[-1]), region) if named else None


def _signing_name(label: str) -> str:
    label = label.removesuffix("-fips")
    return _NAMES.get(label, label)
