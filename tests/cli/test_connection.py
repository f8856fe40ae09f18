"""How the command line finds its server and its key, and says so where it cannot."""

from __future__ import annotations

import pytest

from errands.cli.exit_codes import Exit
from tests.cli.command_line import Errands

errands = Errands()
NOBODY = "127.0.0.1:1"


def test_without_a_key_it_says_how_to_give_one() -> None:
    done = errands("ls", code=Exit.CREDENTIALS)

    assert "set ERRANDS_API_KEY or give --api-key" in done.stderr
    assert "(CREDENTIALS_MISSING)" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (["--server", NOBODY, "--api-key", "k", "ls"], {}),
        (["ls", "--server", NOBODY, "--api-key", "k"], {}),
        (["ls"], {"ERRANDS_SERVER": NOBODY, "ERRANDS_API_KEY": "k"}),
        (["ls", "--server", NOBODY], {"ERRANDS_SERVER": "127.0.0.1:2", "ERRANDS_API_KEY": "k"}),
        (["--server", "127.0.0.1:2", "ls", "--server", NOBODY], {"ERRANDS_API_KEY": "k"}),
    ],
)
def test_a_server_that_does_not_answer_is_named(arguments: list[str], env: dict[str, str]) -> None:
    done = errands(*arguments, code=Exit.UNREACHABLE, env=env)

    assert f"no server answers at {NOBODY}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["ls", "--limit", "0"],
        ["run"],
        ["run", "x", "--approval", "sometimes"],
        ["run", "x", "--schema", "{"],
        ["run", "x", "--schema", "/nowhere.json"],
        ["decide", "id", "approve"],
        ["decide", "id", "done", "--output", "{"],
        ["keys", "create", "ci"],
        ["keys", "create", "ci", "--scope", "runs:read", "--expires", "soon"],
        ["integrations", "add", "shop", "--openapi", "/nowhere.json"],
    ],
)
def test_a_wrong_command_line_never_reaches_the_server(arguments: list[str]) -> None:
    errands(*arguments, "--server", NOBODY, "--api-key", "k", code=Exit.USAGE)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--bearer-env", "NOT_SET"],
        ["--bearer-file", "/nowhere"],
        ["--api-key-header", "x-key"],
        ["--api-key-env", "SECRET"],
        ["--api-key-header", "a", "--api-key-query", "b", "--api-key-env", "SECRET"],
        ["--api-keys-env", "SECRET"],
        ["--basic-user", "ada"],
        ["--bearer-env", "SECRET", "--basic-user", "ada", "--basic-env", "SECRET"],
    ],
)
def test_half_a_credential_or_two_are_refused(arguments: list[str]) -> None:
    add = ["integrations", "add", "shop", "--openapi", "http://127.0.0.1:1/", "--server", NOBODY]
    errands(*add, *arguments, "--api-key", "k", code=Exit.USAGE, env={"SECRET": "s"})
