"""Which service and region of AWS a call goes to, as its description or its host says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from .scheme import SecurityScheme

_GLOBAL: Final = "us-east-1"  # where services without regions sign
_REGION: Final = re.compile(
    r"[a-z]{2,4}-(?:[a-z]+-)?(?:central|north|south|(?:north|south)?(?:east|west))-\d"
)
_JOINED: Final = re.compile(rf"s3-(?={_REGION.pattern}$)")  # how old hosts of S3 name their region
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


def target(origin: str, schemes: Mapping[str, SecurityScheme]) -> tuple[str, str] | None:
    """Service and region as signatures name them; None where they cannot be told."""
    host = urlsplit(origin).hostname or ""
    service, region = _of_host(host) or ("", "")
    for scheme in schemes.values():
        service, region = scheme.aws_service or service, scheme.aws_region or region
    return (service, region or _GLOBAL) if service else None


def region_of(url: str) -> str:
    """The region in a host of AWS; "" where it names none."""
    found = _REGION.search(urlsplit(url).hostname or "")
    return found[0] if found else ""


def _of_host(host: str) -> tuple[str, str] | None:
    domain = next((domain for domain in _DOMAINS if host.endswith(domain)), None)
    if domain is None:
        return None
    labels = _JOINED.sub("s3.", host.removesuffix(domain)).split(".")
    places = [index for index, label in enumerate(labels) if _REGION.fullmatch(label)]
    at = places[-1] if places else len(labels)
    region = labels[at] if places else ""
    # Buckets, APIs and tables stand before the service; some services stand behind the region.
    named = labels[at + 1 :] or [label for label in labels[:at] if label != "dualstack"]
    return (_name(named[-1]), region) if named else None


def _name(label: str) -> str:
    label = label.removesuffix("-fips")
    return _NAMES.get(label, label)
