"""What the command line says about itself, and how little it needs to say it."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from errands.cli.app import COMMANDS
from errands.cli.exit_codes import MEANINGS, Exit
from tests.cli.command_line import Errands, environment

errands = Errands()


def test_help_lists_every_command_and_every_exit_code() -> None:
    said = errands("--help").stdout

    for name, (_, text) in COMMANDS.items():
        assert f"{name} " in said
        assert text in said
    for code, meaning in MEANINGS.items():
        assert f"{int(code):<3}  {meaning}" in said


def test_help_lists_the_commands_of_installed_extras() -> None:
    said = errands("--help").stdout

    assert "serve    Start a server." in said
    assert "demo     " in said
    assert "gateway  " in said


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    assert errands(name, "--help").stdout.startswith(f"Usage: errands {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_of_a_command_is_the_beginning_of_its_own(name: str) -> None:
    module, attribute = COMMANDS[name][0].split(":")

    assert getattr(import_module(module), attribute).name == name


def test_every_exit_code_is_explained_once() -> None:
    assert list(MEANINGS) == list(Exit)


def test_help_loads_neither_grpc_nor_rich_nor_the_server() -> None:
    loaded = loaded_by("--help")

    assert not loaded & {"grpc", "rich", "pydantic", "google.protobuf", "errands_server", "sqlalchemy"}


def test_a_client_command_loads_nothing_of_the_server() -> None:
    loaded = loaded_by("ls", "--api-key", "none", "--server", "127.0.0.1:1")

    assert "grpc" in loaded
    assert not loaded & {"errands_server", "errands_gateway", "sqlalchemy", "starlette", "msgspec", "rich"}


def test_a_missing_extra_is_named() -> None:
    code = "import sys; sys.modules['msgspec'] = None; from errands.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve"], env=environment(), capture_output=True, text=True, check=False
    )

    assert done.returncode == Exit.REFUSED
    assert done.stderr.startswith("errands serve needs: pip install 'errands[server]'")


def test_an_unknown_command_is_a_usage_error() -> None:
    assert "No such command 'fly'" in errands("fly", code=Exit.USAGE).stderr


def loaded_by(*arguments: str) -> set[str]:
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('\\n'.join(sys.modules)))\n"
        "from errands.cli import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return set(done.stdout.split())
