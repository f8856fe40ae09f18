"""Watches a run to its end: shows its events, asks its questions, returns how it ended."""

from __future__ import annotations

import sys

import click

from errands.v1.approval_pb2 import Approval

from . import exit_codes, prompts
from .documents import enum_word
from .exit_codes import Exit
from .follow import Follower
from .screen import Screen, screen
from .session import Session


def watch(session: Session, run_id: str, *, after: int = 0, tool_calls: bool = False) -> Exit:
    """Show a run's events behind `after` until it ends; the exit code says how it ended.

    Raises Error: there is no such run, or the server stays away. Interrupting leaves the run
    going. At a terminal, what the run asks is approval here.
    """
    shown = screen(json=session.json)
    follower = Follower(session.client, run_id, after=after, tool_calls=tool_calls, say=shown.say)
    try:
        for event in follower.events():
            shown.event(event)
            if event.HasField("approval_required"):
                _ask_decision(session, follower, shown, event.approval_required)
        return exit_codes.of_status(enum_word(follower.run(), "status"))
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


def _ask_decision(session: Session, follower: Follower, shown: Screen, approval: Approval) -> None:
    """Ask for a decision, unless the event is a replay and the approval was decided since."""
    if approval.approval_id not in {pending.approval_id for pending in follower.run().pending_approvals}:
        return
    if session.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        shown.say(prompts.decision_commands(approval))
        return
    with shown.paused():
        hint = prompts.ask(session, approval)
    if hint:
        shown.say(hint)
