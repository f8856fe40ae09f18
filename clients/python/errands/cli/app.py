"""The command `errands`. Its commands are imported when they are called."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

import click

from .exit_codes import MEANINGS, Exit
from .options import GLOBAL

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

# Importing gRPC takes longer than everything else together, so the help of a command stands
# here and its module is imported when it runs.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "run": ("errands.cli.commands.runs:run", "Start a run and show what it does."),
    "plan": ("errands.cli.commands.plan:plan", "Show what a run would do, and why."),
    "watch": (
        "errands.cli.commands.runs:watch",
        "Show a run's events from the start or a cursor to its end.",
    ),
    "ls": ("errands.cli.commands.runs:ls", "List runs, newest first."),
    "get": ("errands.cli.commands.runs:get", "Show one run."),
    "cancel": ("errands.cli.commands.runs:cancel", "Stop a run; nothing starts from this moment on."),
    "approvals": ("errands.cli.commands.approvals:approvals", "List what waits for a decision."),
    "approve": ("errands.cli.commands.approvals:approve", "Approve exactly what an approval shows."),
    "deny": ("errands.cli.commands.approvals:deny", "Deny an approval."),
    "decide": ("errands.cli.commands.approvals:decide", "Decide about a call whose outcome is in doubt."),
    "integrations": ("errands.cli.commands.integrations:integrations", "The services runs may call."),
    "connections": ("errands.cli.commands.connections:connections", "Users' own access to integrations."),
    "keys": ("errands.cli.commands.keys:keys", "API keys."),
    "audit": (
        "errands.cli.commands.audit:audit",
        "List who decided, cancelled and changed what, newest first.",
    ),
}
# Commands of other installed packages, with the extra each belongs to.
FORWARDED: Final[Mapping[str, tuple[str, str]]] = {
    "serve": ("server", "Start a server."),
    "demo": ("server", "See a run survive the death of its server."),
    "gateway": ("gateway", "Start a REST gateway."),
    "worker": ("temporal", "Start a worker of the Temporal engine."),
    "migrate": ("server", "Bring a database to this release's schema."),
}
_GROUP: Final = "errands.commands"


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *_entry_points()]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            module, attribute = COMMANDS[name][0].split(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command
        found = _entry_points().get(name)
        return _forward(found) if found else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])
        with formatter.section("Commands of installed extras"):
            formatter.write_dl([(name, FORWARDED.get(name, ("", ""))[1]) for name in _entry_points()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), text) for code, text in MEANINGS.items()])


@click.group(cls=LazyGroup, params=GLOBAL, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="errands")
def app() -> None:
    """Errands carries out intents on behalf of users, durably."""
    # gRPC's C core writes to stderr about connections that this command line reports itself.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal cannot show must not end the command.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr] # both are TextIOWrapper here


def _entry_points() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {found.name: found for found in entry_points(group=_GROUP)}


def _forward(found: EntryPoint) -> click.Command:
    """A command that hands its whole command line, `--help` included, to an entry point."""

    @click.command(
        found.name,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )
    @click.argument("argv", nargs=-1, type=click.UNPROCESSED)
    def command(argv: tuple[str, ...]) -> None:
        try:
            start: Callable[[list[str]], int] = found.load()
            sys.exit(start(list(argv)))
        except ModuleNotFoundError as missing:
            if (missing.name or "").startswith("errands"):
                raise
            extra, _ = FORWARDED.get(found.name, ("all", ""))
            click.echo(f"errands {found.name} needs: pip install 'errands[{extra}]' ({missing})", err=True)
            sys.exit(Exit.REFUSED)

    return command
