"""Integrations and keys from the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from errands.cli.commands.keys import parse_expiry
from errands.cli.exit_codes import Exit
from tests.cli.command_line import Errands


@pytest.fixture
def document(tmp_path: Path, shop: httpx2.Client) -> str:
    """The shop's document in a file."""
    file = tmp_path / "shop.json"
    file.write_text(shop.get("/openapi.json").text)
    return str(file)


def test_an_integration_lives_from_add_to_rm(errands: Errands, document: str) -> None:
    added = errands.json("integrations", "add", "life", "--openapi", document, "--internal")
    tools = {tool["name"]: tool for tool in errands.json("integrations", "tools", "life")}

    assert (added["status"], added["internal"], added["toolCount"]) == ("ACTIVE", True, 7)
    assert (tools["createOrder"]["readOnly"], tools["listOrders"]["readOnly"]) == (False, True)
    assert errands.json("integrations", "deactivate", "life")["status"] == "INACTIVE"
    assert errands.json("integrations", "activate", added["id"])["status"] == "ACTIVE"
    assert "life" in errands("integrations", "ls").stdout
    errands("integrations", "rm", "life")
    assert "(INTEGRATION_NOT_FOUND)" in errands("integrations", "get", "life", code=Exit.NOT_FOUND).stderr


def test_a_name_is_taken_once(errands: Errands, document: str) -> None:
    errands("integrations", "add", "taken", "--openapi", document, "--internal")
    again = errands("integrations", "add", "taken", "--openapi", document, "--internal", code=Exit.REFUSED)

    assert "(INTEGRATION_NAME_TAKEN)" in again.stderr
    errands("integrations", "rm", "taken")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["--bearer-env", "SECRET"], "bearer"),
        (["--api-key-header", "x-shop-key", "--api-key-env", "SECRET"], "apiKey"),
        (["--api-keys-env", "SECRETS"], "apiKeys"),
        (["--basic-user", "ada", "--basic-file", "-"], "basic"),
    ],
)
def test_a_shared_credential_is_taken_and_never_shown(
    errands: Errands, document: str, arguments: list[str], kind: str
) -> None:
    add = ["integrations", "add", f"secret-{kind}", "--openapi", document, "--internal", "--shared", "--json"]
    keys = [{"in": "header", "name": name, "value": "hunter2hunter2"} for name in ("x-api", "x-app")]
    environment = {"SECRET": "hunter2hunter2", "SECRETS": json.dumps(keys)}
    done = errands(*add, *arguments, env=environment, stdin="hunter2hunter2\n")

    assert json.loads(done.stdout)["auth"] == {"type": kind, "shared": True, "schemes": []}
    assert "hunter2" not in done.stdout + done.stderr
    errands("integrations", "rm", f"secret-{kind}")


def test_a_document_that_is_none_is_refused(errands: Errands, tmp_path: Path) -> None:
    file = tmp_path / "document.json"
    file.write_text('{"swagger": "2.0"}')

    assert (
        "(DOCUMENT_INVALID)"
        in errands("integrations", "add", "bad", "--openapi", str(file), code=Exit.REFUSED).stderr
    )


def test_a_key_works_until_it_is_revoked_and_only_within_its_scopes(errands: Errands) -> None:
    made = errands("keys", "create", "reader", "--scope", "runs:read", "--expires", "30d")
    secret = made.stdout.strip()
    [key] = [key for key in errands.json("keys", "ls") if key["name"] == "reader"]

    assert key["scopes"] == ["runs:read"]
    assert secret not in errands("keys", "ls").stdout
    errands("ls", "--api-key", secret)
    refused = errands("run", "anything", "--api-key", secret, code=Exit.CREDENTIALS)
    assert "(SCOPE_MISSING)" in refused.stderr
    errands("keys", "revoke", key["id"])
    assert "(CREDENTIALS_INVALID)" in errands("ls", "--api-key", secret, code=Exit.CREDENTIALS).stderr


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30d", NOW + timedelta(days=30)),
        ("12h", NOW + timedelta(hours=12)),
        ("90m", NOW + timedelta(minutes=90)),
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T10:00:00+02:00", datetime(2027, 1, 31, 8, tzinfo=UTC)),
    ],
)
def test_an_expiry_is_a_span_from_now_or_a_date(text: str, moment: datetime) -> None:
    assert parse_expiry(text, NOW) == moment


def test_the_audit_says_who_did_what(errands: Errands) -> None:
    made = errands.json("keys", "create", "audited", "--scope", "runs:read")["key"]
    errands("keys", "revoke", made["id"])
    found = errands.json("audit", "--subject", made["id"])
    later = errands.json("audit", "--subject", made["id"], "--after", "2099-01-01")

    assert [entry["action"] for entry in found] == ["key.revoke", "key.create"]
    assert found[1]["details"]["name"] == "audited"
    assert later == []
    assert "key.revoke" in errands("audit", "--action", "key.revoke", "--limit", "1").stdout


def test_an_integration_is_limited_from_the_command_line(errands: Errands, document: str) -> None:
    shop = "limited"
    errands("integrations", "add", shop, "--openapi", document, "--internal", "--rate", "5/m")
    errands("integrations", "limit", shop, "--rate", "10/s", "--concurrency", "2")
    limited = errands.json("integrations", "get", shop)
    said = errands("integrations", "get", shop).stdout
    lifted = errands.json("integrations", "limit", shop, "--rate", "", "--concurrency", "0")

    assert (limited["rateLimit"], limited["maxConcurrency"]) == ("10/s", 2)
    assert "at most 10/s" in said
    assert "rateLimit" not in lifted
    errands("integrations", "rm", shop)
