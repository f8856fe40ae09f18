"""Settings: flags of `serve`, each also an environment variable `ERRANDS_<NAME>`."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from errands.server_process import address, count, read_settings, seconds, split_commas

from .domain.rates import Rate
from .domain.rates import parse as parse_rate

DAY: Final = 24 * 3_600 * 1_000  # milliseconds
_UNITS: Final = {"h": 3_600 * 1_000, "d": DAY}


class Config(Struct, frozen=True, kw_only=True):
    """How a server is run. `keep` and `keep_audit` are in milliseconds, None for ever; `drain` in seconds."""

    data: Path = Path(".errands")
    grpc: str = "127.0.0.1:50051"
    http: str = "127.0.0.1:8080"
    database: str = ""
    public_url: str = ""
    # Where the gateway has its pages, for links that are made here.
    approval_path: str = "/v1/runs/approval?token={token}"
    connect_path: str = "/connect/{token}"
    secret_key_file: Path | None = None
    secret_key: str = ""
    forget_secrets: bool = False
    api_key: str = ""
    log_level: str = "info"
    drain: float = 20.0
    keep: int | None = None
    keep_audit: int | None = None
    max_active: int = 256
    max_queued: int = 1_000
    tenant_rate: Rate | None = None
    run_rate: Rate | None = None
    max_integrations: int | None = None
    max_connections: int | None = None
    reflection: bool = True
    tls_cert: Path | None = None
    tls_key: Path | None = None
    request_limit: float = 60.0
    max_streams: int = 10_000
    cors: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    mcp_servers: Path | None = None
    aws_sts_endpoint: str = ""

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data / 'errands.db'}"


def _duration(text: str) -> int:
    match = re.fullmatch(r"(\d+)([hd])", text)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 12h or 90d")
    return int(match[1]) * _UNITS[match[2]]


def _database(text: str) -> str:
    if not re.match(r"(postgres(ql)?|sqlite)(\+[a-z]+)?://", text):
        message = "no URL of a database; write postgresql://user:password@host/name"  # it may hold a password
        raise argparse.ArgumentTypeError(message)
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^/?#\s]+/?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no URL of a server")
    return text


def _rate(text: str) -> Rate:
    try:
        return parse_rate(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _switch(text: str) -> bool:
    if text.lower() not in {"on", "off", "true", "false", "1", "0"}:
        raise argparse.ArgumentTypeError(f"{text!r} is neither on nor off")
    return text.lower() in {"on", "true", "1"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="errands serve",
        description="Run the service: gRPC, REST and streams over HTTP, and the embedded engine.",
        epilog="Each flag is also an environment variable, such as ERRANDS_PUBLIC_URL. "
        "ERRANDS_SECRET_KEY holds sealing keys and ERRANDS_API_KEY an operator key for this "
        "process; both stay out of argument lists on purpose.",
    )
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", help="folder of the database (.errands)")
    add("--grpc", type=address, metavar="HOST:PORT", help="where gRPC listens (127.0.0.1:50051)")
    add("--http", type=address, metavar="HOST:PORT", help="where HTTP listens (127.0.0.1:8080)")
    add("--database", type=_database, metavar="URL", help="PostgreSQL instead of SQLite in --data")
    add("--public-url", metavar="URL", help="how people reach the HTTP address; links begin with it")
    add("--secret-key-file", type=Path, metavar="FILE", help="sealing keys (secret.key in --data)")
    add("--forget-secrets", type=_switch, metavar="on|off", help="go on where the sealing key is lost (off)")
    add("--log-level", choices=["debug", "info", "warning", "error"], help="what is logged (info)")
    add("--drain", type=float, metavar="SECONDS", help="time for calls in flight on SIGTERM (20)")
    add("--keep", type=_duration, metavar="90d", help="erase runs this long after their end (never)")
    add("--keep-audit", type=_duration, metavar="365d", help="erase audit entries this old (never)")
    add("--max-active", type=count, metavar="N", help="runs executed at the same time (256)")
    add("--max-queued", type=count, metavar="N", help="runs of one tenant that may wait (1000)")
    add("--tenant-rate", type=_rate, metavar="100/s", help="requests one tenant may make (unlimited)")
    add("--run-rate", type=_rate, metavar="60/m", help="runs one tenant may create (unlimited)")
    add("--max-integrations", type=count, metavar="N", help="integrations one tenant may have (unlimited)")
    add("--max-connections", type=count, metavar="N", help="users' connections of one tenant (unlimited)")
    add("--reflection", type=_switch, metavar="on|off", help="gRPC server reflection (on)")
    add("--request-limit", type=seconds, metavar="SECONDS", help="what an HTTP request may take (60)")
    add("--max-streams", type=count, metavar="N", help="HTTP streams one tenant may have open (10000)")
    add("--cors", type=split_commas, metavar="ORIGINS", help="origins whose pages may call; * is any (none)")
    add("--trusted-proxies", type=split_commas, metavar="ADDRESSES", help="whose X-Forwarded-* count (none)")
    add("--mcp-servers", type=Path, metavar="FILE", help="MCP servers that may be run here, as JSON (none)")
    add(
        "--aws-sts-endpoint", type=_url, metavar="URL", help="AWS STS that assumes passed roles (none may be)"
    )
    add("--tls-cert", type=Path, metavar="FILE", help="certificate chain; gRPC then speaks TLS")
    add("--tls-key", type=Path, metavar="FILE", help="private key of --tls-cert")
    return parser


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Config:
    """Settings from flags, then the environment, then defaults. Exits 2 on a usage error."""
    parser = _parser()
    config = Config(
        secret_key=environment.get("ERRANDS_SECRET_KEY", ""),
        api_key=environment.get("ERRANDS_API_KEY", ""),
        **read_settings(parser, arguments, environment),
    )
    if (config.tls_cert is None) != (config.tls_key is None):
        parser.error("--tls-cert and --tls-key go together")
    return config


def parse_migrate(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Config:
    """Settings of `errands migrate`, found as those of `serve` are. Exits 2 on a usage error."""
    parser = argparse.ArgumentParser(
        prog="errands migrate",
        description="Bring a database to the schema of this release. `serve` does so by itself on SQLite.",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the database (.errands)")
    parser.add_argument(
        "--database", type=_database, metavar="URL", help="PostgreSQL instead of SQLite in --data"
    )
    return Config(**read_settings(parser, arguments, environment))
