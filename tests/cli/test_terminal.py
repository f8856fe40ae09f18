"""What happens at a terminal: colours, and questions that are answered there."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable

import pytest

from errands.cli.exit_codes import Exit
from tests.cli.command_line import ERRANDS, Errands

FIND = "Find the customer ada@example.com"
ORDER = 'Find the customer ada@example.com, find the product "red mug", and order 2 of them for her'


# Its first act as a process: a function between fork and exec would run among the threads of gRPC.
_AT_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A command at a pseudo-terminal, which interrupts it as a real one does."""

    def __init__(self, errands: Errands, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _AT_TERMINAL, ERRANDS, *arguments],
            env={**errands.env, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._raw = b""

    @property
    def shown(self) -> str:
        """All it showed, without the escapes that colour and move."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._raw.decode(errors="replace"))

    def until(self, text: str) -> None:
        """Read until the terminal has shown `text`."""
        while text not in self.shown:
            assert self._read(), f"no {text!r} in {self.shown}"

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def interrupt(self, told: str) -> None:
        """Press Ctrl-C until `told` is shown: one that comes in the moment before Python reads
        the terminal is noticed only with the next key, as people at shells know."""
        while told not in self.shown:
            self.type("\x03")
            while told not in self.shown and select.select([self._ours], [], [], 2)[0]:
                assert self._read(), f"no {told!r} in {self.shown}"

    def end(self) -> int:
        while self._read():
            pass
        os.close(self._ours)
        return self._process.wait()

    def _read(self) -> bool:
        """Take what there is; false at the end."""
        try:
            more = os.read(self._ours, 65536)
        except OSError:  # how Linux says that the other side is closed
            return False
        self._raw += more
        return bool(more)


@pytest.fixture
def terminal(errands: Errands, shop_id: str) -> Callable[..., Terminal]:
    return lambda *arguments: Terminal(errands, *arguments)


def test_an_approval_is_asked_at_the_terminal_and_carried_out(terminal: Callable[..., Terminal]) -> None:
    at = terminal("run", ORDER, "--approval", "on-start", "--integration", "shop")
    at.until("approve / deny / later")
    assert all(f"own account · step s{n}" in at.shown for n in (1, 2, 3)), at.shown
    at.type("approve\n")

    assert at.end() == Exit.SUCCESS
    assert "SUCCESS" in at.shown


def test_the_question_shows_exactly_what_would_be_sent(
    terminal: Callable[..., Terminal], shop_id: str
) -> None:
    at = terminal("run", FIND, "--integration", "shop", "--approval", "on-tool-call", "--user", "ada")
    at.until("approve / deny / later")
    for text in (
        "searchCustomers",
        shop_id,
        '"email": "ada@example.com"',
        "read",
        "own account",
        "step s1 · call ",
        "until 20",
        "sha256:",
    ):
        assert text in at.shown
    at.type("deny\n")

    assert at.end() == Exit.NO_SUCCESS


def test_an_answer_that_is_no_choice_is_asked_again_and_later_leaves_it_open(
    terminal: Callable[..., Terminal], errands: Errands
) -> None:
    at = terminal("run", ORDER, "--approval", "on-start")
    at.until("approve / deny / later")
    at.type("y\n")
    at.until("'y' is not one of")
    at.type("later\n")
    at.until("decide with: errands approve ")
    at.until("errands deny ")
    approval_id = at.shown.split("decide with: errands approve ")[1].split()[0]
    errands("deny", approval_id)

    assert at.end() == Exit.CANCELED


def test_an_interrupted_question_leaves_the_run_waiting(
    terminal: Callable[..., Terminal], errands: Errands
) -> None:
    at = terminal("run", ORDER, "--approval", "on-start")
    at.until("approve / deny / later")
    at.interrupt("errands cancel ")

    assert at.end() == Exit.INTERRUPTED
    run_id = at.shown.split("errands cancel ")[1].split()[0]
    assert errands.json("get", run_id)["status"] == "PAUSED"
    errands("cancel", run_id)
