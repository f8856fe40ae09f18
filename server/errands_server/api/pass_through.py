"""Reads credentials that are passed through, and finds everything that is malformed in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import httpx2
from msgspec.structs import fields

from errands.v1 import run_pb2 as pb

from ..credentials.pass_through.entries import AwsKeys, AwsRole, OktaApp, PassThrough, Values
from ..domain.errors import Violation
from .validation import MAX_ID, RequestValidator

MAX_ENTRIES: Final = 100
MAX_NAMES: Final = 50  # headers of one entry, and query parameters
MAX_TEXT: Final = 8_192  # characters of one value
MAX_WHOLE: Final = 32_768  # characters of everything together

_KINDS: Final = (AwsKeys, AwsRole, OktaApp)
_KINDS_TEXT: Final = (
    "must hold exactly the keys of AWS temporary credentials (accessKeyId, secretAccessKey, sessionToken), "
    "of an AWS role (roleArn, externalId) or of an Okta service app (clientId, kid, privateKey, "
    "oauthTokenUrl, scope, perhaps host)"
)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}")  # RFC 9110 §5.6.2
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,31}")
# The connection's (RFC 9110 §7.6.1), or ours to set.
_NOT_TO_PASS: Final = frozenset(
    (
        *("host", "connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"),
        *("content-length", "content-type", "content-encoding", "accept-encoding"),
        *("idempotency-key", "traceparent", "tracestate", "baggage"),
    )
)
_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[!-~]{1,512}")
_EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_PRINTABLE: Final = re.compile(r"[ -~]+")


def read(passed: Sequence[pb.PassThrough]) -> tuple[tuple[PassThrough, ...], list[Violation]]:
    """The entries, and everything that is malformed in them. Values are never quoted."""
    validator = RequestValidator()
    validator.count("pass_through", passed, most=MAX_ENTRIES)
    found = tuple(
        _entry(validator, f"pass_through[{at}]", one) for at, one in enumerate(passed[:MAX_ENTRIES])
    )
    if sum(map(_character_count, passed)) > MAX_WHOLE:
        validator.reject("pass_through", f"has more than {MAX_WHOLE} characters altogether")
    return found, validator.violations


def _entry(validator: RequestValidator, field: str, one: pb.PassThrough) -> PassThrough:
    validator.text(f"{field}.customer_integration_id", one.customer_integration_id, least=1, most=MAX_ID)
    headers = _headers(validator, f"{field}.headers", one.headers)
    _query(validator, f"{field}.query", one.query)
    values = _values(validator, f"{field}.values", one.values) if one.values else None
    if values is not None and "authorization" in headers:
        validator.reject(f"{field}.headers", "authorization is set by `values`; give one of them")
    if not (one.headers or one.query or one.values):
        validator.reject(field, "passes nothing through; give headers, query or values")
    return PassThrough(
        integration_id=one.customer_integration_id, headers=headers, query=dict(one.query), values=values
    )


def _headers(validator: RequestValidator, field: str, given: Mapping[str, str]) -> dict[str, str]:
    validator.count(field, list(given), most=MAX_NAMES)
    headers = {name.lower(): value for name, value in given.items()}
    if len(headers) < len(given):
        validator.reject(field, "names a header twice")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            validator.reject(field, "has a name that is none of a header")
        elif name in _NOT_TO_PASS:
            validator.reject(_member_path(field, name), "cannot be passed through")
        elif not _PRINTABLE.fullmatch(value) or value != value.strip() or len(value) > MAX_TEXT:
            validator.reject(_member_path(field, name), f"must be 1 to {MAX_TEXT} printable ASCII characters")
    return headers


def _query(validator: RequestValidator, field: str, given: Mapping[str, str]) -> None:
    validator.count(field, list(given), most=MAX_NAMES)
    for name, value in given.items():
        if not 1 <= len(name) <= MAX_ID or not name.isprintable():
            validator.reject(field, f"has a name that is not 1 to {MAX_ID} printable characters")
        elif len(value) > MAX_TEXT or "\0" in value:
            validator.reject(_member_path(field, name), f"must be at most {MAX_TEXT} characters without NUL")


def _member_path(field: str, name: str) -> str:
    """The path of a member, without its name where that may be anything, even a secret."""
    return f"{field}.{name}" if _KEY.fullmatch(name) else field


def _values(validator: RequestValidator, field: str, given: Mapping[str, str]) -> Values | None:
    kinds = [kind for kind in _KINDS if not given.keys().isdisjoint(_keys(kind))]
    if len(kinds) != 1:
        validator.reject(
            field, _KINDS_TEXT if not kinds else f"holds keys of more than one kind; it {_KINDS_TEXT}"
        )
        return None
    (kind,) = kinds
    before = len(validator.violations)
    for name in given.keys() - _keys(kind):
        validator.reject(
            _member_path(field, name), "is unknown" if _KEY.fullmatch(name) else "holds an unknown key"
        )
    for name in sorted(_required_keys(kind) - given.keys()):
        validator.reject(f"{field}.{name}", "is required")
    for name in sorted(given.keys() & _keys(kind)):
        fits, wanted = _RULES.get(name, (_is_text, f"must be 1 to {MAX_TEXT} printable ASCII characters"))
        if not fits(given[name]):
            validator.reject(f"{field}.{name}", wanted)
    return None if len(validator.violations) > before else _make(kind, given)


def _make(kind: type[Values], given: Mapping[str, str]) -> Values:
    named = {field.encode_name: field.name for field in fields(kind)}
    return kind(**{named[key]: value for key, value in given.items()})


def _keys(kind: type) -> set[str]:
    return {field.encode_name for field in fields(kind)}


def _required_keys(kind: type) -> set[str]:
    return {field.encode_name for field in fields(kind) if field.required}


def _is_text(value: str) -> bool:
    return bool(_PRINTABLE.fullmatch(value)) and len(value) <= MAX_TEXT


def _is_rsa_key(value: str) -> bool:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        # The expensive proof that its primes are prime is left to who made it.
        key = load_pem_private_key(value.encode(), None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError):  # TypeError: it is encrypted
        return False
    return len(value) <= MAX_TEXT and isinstance(key, RSAPrivateKey) and key.key_size >= 2_048


def _is_url(value: str) -> bool:
    try:
        url = httpx2.URL(value)
    except (httpx2.InvalidURL, UnicodeError):
        return False
    return url.scheme in ("http", "https") and bool(url.host) and not url.userinfo and not url.fragment


_RULES: Final[Mapping[str, tuple[Callable[[str], object], str]]] = {
    "roleArn": (_ARN.fullmatch, "must be the ARN of an IAM role"),
    "externalId": (_EXTERNAL_ID.fullmatch, "must be 2 to 1224 letters, digits and +=,.@:/-"),
    "privateKey": (_is_rsa_key, "must be an RSA private key of 2048 bits or more, PEM, not encrypted"),
    "oauthTokenUrl": (_is_url, "must be an http or https URL without user, password and fragment"),
}


def _character_count(one: pb.PassThrough) -> int:
    return sum(
        len(name) + len(text) for m in (one.headers, one.query, one.values) for name, text in m.items()
    )
