"""Secrets: read from the environment, a file, stdin or a prompt, never from the command line."""

from __future__ import annotations

import os
import sys

import click


def read(variable: str | None, file: str | None) -> str:
    """Read a secret from an environment variable or a file; `-` is stdin. Empty where neither is named.

    UsageError: there is no such variable, or the file cannot be read.
    """
    if variable and variable not in os.environ:
        raise click.UsageError(f"the environment has no {variable}")
    if variable:
        return os.environ[variable]
    if not file:
        return ""
    try:
        with click.open_file(file) as opened:
            content: str = opened.read()
            return content.strip()
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror}") from error


def ask(what: str) -> str:
    """Prompt for a secret without echo; read stdin where there is no terminal.

    UsageError: nothing was given.
    """
    if sys.stdin.isatty():
        given: str = click.prompt(what, hide_input=True, err=True)
    else:
        given = sys.stdin.read()
    if not given.strip():
        raise click.UsageError(f"no {what} was given: type it at the prompt, or send it to stdin")
    return given.strip()
