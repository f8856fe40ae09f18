"""Watching a run to its end: showing it, asking what it asks, and saying how it ended."""

from __future__ import annotations

import sys

import click

from errands.v1.approval_pb2 import Approval

from . import exit_codes, prompts
from .documents import bare
from .exit_codes import Exit
from .follow import Follower
from .screen import Screen, screen
from .session import Session


def watch(session: Session, run_id: str, *, after: int = 0, tool_calls: bool = False) -> Exit:
    """Show a run's events behind `after` until it ends; the exit code says how it ended.

    Raises Error: there is no such run, or the server stays away. Interrupting leaves the run
    going. At a terminal, what the run asks is asked here.
    """
    shown = screen(json=session.json)
    follower = Follower(session.connection, run_id, after=after, tool_calls=tool_calls, say=shown.say)
    try:
        return _watch(session, follower, shown)
    except (KeyboardInterrupt, click.Abort):
        shown.close()
        click.echo(
            f"the run goes on; see it: errands watch {run_id} --after {follower.cursor}"
            f"  stop it: errands cancel {run_id}",
            err=True,
        )
        return Exit.INTERRUPTED
    finally:
        shown.close()


def _watch(session: Session, follower: Follower, shown: Screen) -> Exit:
    for event in follower.events():
        shown.event(event)
        if event.HasField("approval_required"):
            _offer(session, follower, shown, event.approval_required)
    return exit_codes.of_status(bare(follower.run(), "status"))


def _offer(session: Session, follower: Follower, shown: Screen, asked: Approval) -> None:
    """Have an approval decided, unless a replayed event speaks of one that was decided long ago."""
    if asked.approval_id not in {pending.approval_id for pending in follower.run().pending_approvals}:
        return
    if session.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        shown.say(prompts.commands(asked))
        return
    with shown.still():
        said = prompts.ask(session, asked)
    if said:
        shown.say(said)
