"""Options that every command takes, before or behind its name, and groups of options that several share."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

DEFAULT_SERVER: Final = "127.0.0.1:50051"
DEFAULT_TIMEOUT: Final = 30.0
_META: Final = "errands.cli"
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(kw_only=True)
class Settings:
    """The global options of one command line.

    server: HOST:PORT.
    api_key: sent with every request.
    tls: use TLS; `ca` implies it.
    ca: PEM file of the authorities to trust instead of the system's.
    json: print JSON.
    timeout: seconds to wait for a response.
    """

    server: str = DEFAULT_SERVER
    api_key: str = ""
    tls: bool = False
    ca: Path | None = None
    json: bool = False
    timeout: float = DEFAULT_TIMEOUT


def settings(context: click.Context) -> Settings:
    """The settings of this command line. Of one option given twice, the later wins."""
    found: Settings = context.meta.setdefault(_META, Settings())
    return found


def _store_setting(context: click.Context, option: click.Parameter, value: Any) -> None:
    if value is not None and option.name is not None:
        setattr(settings(context), option.name, value)


def _options(*, environment: bool) -> list[click.Parameter]:
    """A fresh set of the options; only one set of a command line may read the environment."""

    def option(*names: str, help: str, env: str = "", **more: Any) -> click.Option:  # noqa: A002 (click's word)
        reads: dict[str, Any] = {"envvar": env, "show_envvar": True} if environment and env else {}
        return click.Option(
            names, help=help, expose_value=False, callback=_store_setting, default=None, **reads, **more
        )

    return [
        option("--server", help=f"Address of the server.  [default: {DEFAULT_SERVER}]", env="ERRANDS_SERVER"),
        option("--api-key", help="Key to ask with; safer in the environment.", env="ERRANDS_API_KEY"),
        option("--tls", is_flag=True, help="Use TLS.", env="ERRANDS_TLS"),
        option(
            "--ca",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="PEM file of the authorities to trust; means --tls.",
            env="ERRANDS_CA",
        ),
        option("--json", is_flag=True, help="Answer in JSON; events one to a line."),
        option(
            "--timeout",
            type=click.FloatRange(min=0.1),
            help=f"Seconds to wait for an answer.  [default: {DEFAULT_TIMEOUT:g}]",
            env="ERRANDS_TIMEOUT",
        ),
    ]


GLOBAL: Final = _options(environment=True)


class Command(click.Command):
    """A command that takes the global options also behind its name."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.params.extend(_options(environment=False))


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


_INTENT_OPTIONS: Final = (
    click.argument("intent"),
    click.option(
        "--integration",
        "integrations",
        multiple=True,
        default=("*",),
        show_default=True,
        help="Integration the run may use, by id or name; may be given again. * means all active ones.",
    ),
    click.option(
        "--user", envvar="ERRANDS_USER", default=getpass.getuser, help="User to act for.  [default: you]"
    ),
    click.option("--context", default="", help="What the run should know: text, JSON or key=value pairs."),
)


def intent_options(command: Decorated) -> Decorated:
    """Add the argument INTENT, and options for what it may be carried out with."""
    for decorate in reversed(_INTENT_OPTIONS):
        command = decorate(command)
    return command


_STRATEGIES: Final = ("none", "on-start", "on-tool-call")
approval_option: Final = click.option(
    "--approval", type=click.Choice(_STRATEGIES), default="none", show_default=True, help="When the run asks."
)


def approval_strategy(approval: str) -> Any:
    """The enum name for a value of `approval_option`; protobuf accepts names for numbers."""
    return f"APPROVAL_STRATEGY_{approval.replace('-', '_').upper()}"
