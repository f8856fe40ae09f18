"""Connections from the command line."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from errands.cli.exit_codes import Exit
from tests.cli.command_line import ERRANDS, Errands

SECRET = "hunter2-hunter2"


@pytest.fixture
def crm(errands: Errands, shop: httpx2.Client, tmp_path: Path) -> Iterator[str]:
    """An integration by OAuth, with a client."""
    document = shop.get("/openapi.json").json()
    flow = {"authorizationUrl": "https://crm.example/authorize", "tokenUrl": "https://crm.example/token"}
    document["components"]["securitySchemes"] = {
        "crm": {"type": "oauth2", "flows": {"authorizationCode": {**flow, "scopes": {"mugs": "Mugs"}}}}
    }
    document["paths"]["/products"]["get"]["security"] = [{"crm": ["mugs"]}]
    file = tmp_path / "crm.json"
    file.write_text(json.dumps(document))
    client = [
        "--oauth-client-id",
        "errands",
        "--oauth-secret-env",
        "CLIENT",
        "--oauth-scope",
        "offline_access",
    ]
    add = ["integrations", "add", "crm", "--openapi", str(file), "--internal", *client, "--json"]
    done = errands(*add, env={"CLIENT": SECRET})

    assert SECRET not in done.stdout + done.stderr
    yield json.loads(done.stdout)["id"]
    errands("integrations", "rm", "crm")


@pytest.mark.parametrize(
    ("arguments", "stdin", "kind"),
    [
        (["--type", "bearer"], SECRET, "bearer"),
        (["--type", "api-key", "--in", "header", "--name", "x-key"], SECRET + "\n", "apiKey"),
        (["--type", "basic", "--username", "ada"], SECRET, "basic"),
        (["--type", "oauth2"], json.dumps({"access_token": SECRET, "expires_in": 60}), "oauth2"),
    ],
)
def test_a_connection_lives_from_add_to_rm_and_its_secret_is_never_shown(
    errands: Errands, shop_id: str, arguments: list[str], stdin: str, kind: str
) -> None:
    added = errands("connections", "add", "shop", "--user", "ada", *arguments, "--json", stdin=stdin)
    [listed] = errands.json("connections", "ls", "--integration", "shop", "--user", "ada")
    table = errands("connections", "ls").stdout
    forgot = errands("connections", "rm", listed["id"]).stdout

    assert json.loads(added.stdout) == listed
    assert (listed["type"], listed["integrationId"], listed["userId"]) == (kind, shop_id, "ada")
    assert "ACTIVE" in table
    assert forgot == f"forgot {listed['id']}\n"
    assert SECRET not in added.stdout + added.stderr + table
    assert "(CONNECTION_NOT_FOUND)" in errands("connections", "rm", listed["id"], code=Exit.NOT_FOUND).stderr


def test_keys_that_are_asked_for_together_are_read_as_json(
    errands: Errands, shop: httpx2.Client, tmp_path: Path
) -> None:
    document = shop.get("/openapi.json").json()
    document["components"]["securitySchemes"] = {
        name: {"type": "apiKey", "in": "header", "name": f"x-{name}"} for name in ("api", "app")
    }
    document["security"] = [{"api": [], "app": []}]
    file = tmp_path / "keyed.json"
    file.write_text(json.dumps(document))
    errands("integrations", "add", "keyed", "--openapi", str(file), "--internal")
    add = ["connections", "add", "keyed", "--user", "ada", "--type", "api-keys", "--json"]
    added = errands(*add, stdin=json.dumps({"api": SECRET, "app": SECRET}))
    other = errands(*add, stdin=json.dumps({"api": SECRET, "key": SECRET}), code=Exit.REFUSED)
    errands("integrations", "rm", "keyed")

    assert json.loads(added.stdout)["type"] == "apiKeys"
    assert "is no API key of the description, which has: api, app" in other.stderr
    assert SECRET not in added.stdout + added.stderr + other.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["--type", "bearer"], "", "no token was given"),
        (["--type", "oauth2"], f'{{"token": "{SECRET}"}}', "no answer of a token endpoint"),
        (["--type", "api-keys"], SECRET, "no keys: JSON with the key of each scheme"),
        (["--type", "api-keys"], f'{{"api": ["{SECRET}"]}}', "no keys: JSON with the key of each scheme"),
        (["--type", "basic"], SECRET, "--username goes with --type basic"),
        (["--username", "ada"], SECRET, "--username goes with --type basic"),
        (["--type", "api-key", "--in", "header"], SECRET, "--in and --name go together"),
    ],
)
def test_what_is_no_credential_is_a_usage_error_that_quotes_nothing(
    errands: Errands, shop_id: str, arguments: list[str], stdin: str, said: str
) -> None:
    done = errands("connections", "add", "shop", *arguments, code=Exit.USAGE, stdin=stdin)

    assert said in done.stderr
    assert SECRET not in done.stderr


def test_at_a_terminal_the_secret_is_asked_for_and_not_echoed(errands: Errands, shop_id: str) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [ERRANDS, "connections", "add", "shop", "--user", "tess"],
        env=dict(errands.env),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        said = b""
        while b"token" not in said:
            said += os.read(ours, 1_000)
        os.write(ours, f"{SECRET}\n".encode())
        try:
            while piece := os.read(ours, 1_000):
                said += piece
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    [made] = errands.json("connections", "ls", "--user", "tess")

    assert process.returncode == 0
    assert made["id"].encode() in said
    assert SECRET.encode() not in said
    errands("connections", "rm", made["id"])


def test_an_integration_says_how_its_users_connect(errands: Errands, crm: str) -> None:
    auth = errands.json("integrations", "get", "crm")["auth"]
    said = errands("integrations", "get", "crm").stdout

    assert auth["schemes"] == ["oauth2"]
    assert (auth["oauthClient"]["clientId"], auth["oauthClient"]["scopes"]) == ("errands", ["offline_access"])
    assert SECRET not in json.dumps(auth)
    assert "users connect by client errands" in said


def test_a_link_alone_goes_to_stdout(errands: Errands, crm: str) -> None:
    done = errands("connections", "link", "crm", "--user", "ada")

    assert done.stdout.startswith("http://errands.test/connect/")
    assert done.stdout.count("\n") == 1
    assert done.stderr.startswith("for ada alone, until ")


def test_the_verifier_is_shown_and_changed(errands: Errands) -> None:
    before = errands("connections", "settings").stdout
    changed = errands.json("connections", "settings", "--verifier-url", "https://app.example/verify")
    after = errands("connections", "settings", "--verifier-url", "").stdout

    assert before == after == "verifier  none: the link alone proves the user\n"
    assert changed == {"verifierUrl": "https://app.example/verify"}


def test_a_client_without_an_id_is_a_usage_error(errands: Errands) -> None:
    add = ["integrations", "add", "none", "--openapi", "http://127.0.0.1:1/"]

    assert "needs --oauth-client-id" in errands(*add, "--oauth-scope", "a", code=Exit.USAGE).stderr


def test_a_plan_shows_what_is_missing_and_a_run_says_where_to_authorize(errands: Errands, crm: str) -> None:
    intent = "Search products for mug"
    planned = errands(
        "plan", intent, "--integration", "crm", "--user", "ada", "--approval", "on-start"
    ).stdout
    found = errands.json("plan", intent, "--integration", "crm", "--user", "ada")["preflight"]
    link = found["missing"][0].pop("url")
    del found["missing"][0]["expiresAt"]

    assert "the user's account, not connected yet" in planned
    assert "ada must connect crm (mugs" in planned
    assert "asks before acting: the plan (1 call)" in planned
    assert [(call["access"], call["effect"]) for call in found["calls"]] == [("MISSING", "read")]
    assert found["missing"][0]["userId"] == "ada"
    assert link.startswith("http://errands.test/connect/")

    run_id = errands("run", intent, "--integration", "crm", "--user", "ada", "--detach").stdout.strip()
    with errands.started("watch", run_id) as watching:
        assert watching.stdout is not None
        seen = next(line for line in watching.stdout if "authorize here: " in line)
        tokens = json.dumps({"access_token": SECRET, "scope": "mugs"})
        errands("connections", "add", "crm", "--user", "ada", "--type", "oauth2", stdin=tokens)
        rest = watching.stdout.read()
        ended = watching.wait(timeout=30)

    assert "http://errands.test/connect/" in seen
    assert "access granted" in rest
    assert ended == Exit.SUCCESS
