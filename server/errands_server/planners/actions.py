"""Actions: whether a verb, an HTTP method or a tool reads, creates, updates or deletes."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from ..domain.tool import Effect, Tool
from .words import lexicon, parts, stem


class Action(StrEnum):
    """What a clause asks for and what a tool does, at the grain HTTP knows."""

    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


_VERBS: Final = {
    Action.READ: """find list show get look looking search searching fetch retrieve read display view check
        tell lookup query browse locate see describe count""",
    Action.CREATE: """add create open book place register make post submit insert reserve schedule
        send start buy purchase invite order write log upload publish file""",
    Action.UPDATE: """update change set rename edit modify move mark assign replace adjust put patch
        reschedule close""",  # what is closed is still there
    Action.DELETE: "remove delete cancel drop erase destroy unsubscribe revoke",
}
# Verbs that ask for an answer and leave open what is done for it.
_ASKING: Final = """calculate compute convert predict estimate determine analyze analyse compare solve draw
    run translate play give provide identify evaluate compose simulate plot summarize obtain generate"""
# Verbs that demand a particular thing; only a tool that speaks of it will do.
_PARTICULAR: Final = """ship pay refund email call notify approve reject archive restore export import sync
    turn launch stop print share"""

_ANSWERS: Final = lexicon(_ASKING)
_ACTIONS: Final = {verb: action for action, verbs in _VERBS.items() for verb in verbs.split()}
# How a description opens: `Retrieves the ...`. What only answers may do so in any way.
_STEMS: Final[dict[str, Action | None]] = {
    **dict.fromkeys(map(stem, _ASKING.split())),
    **{stem(verb): action for verb, action in _ACTIONS.items()},
}
QUESTIONS: Final = lexicon("what who when where which how")
COMMON: Final = frozenset(_ACTIONS) | frozenset(_ASKING.split()) | QUESTIONS
VERBS: Final = (COMMON - QUESTIONS) | frozenset(_PARTICULAR.split())
# Verbs that are as often nouns: `order_delete`, `book.search`, "name and order number".
NOUNS: Final = lexicon("order book file log change check view display email start mark post put place print")
# Nouns that, where they open a demand, ask to make one: `invoice the order`.
MAKING: Final = lexicon("invoice bill message text comment")
_METHODS: Final = {
    "GET": Action.READ,
    "HEAD": Action.READ,
    "PUT": Action.UPDATE,
    "PATCH": Action.UPDATE,
    "DELETE": Action.DELETE,
}
# Pairs a person mixes up: one may "add" a note by a PATCH and "set up" an account by a POST.
_NEAR: Final = frozenset({(Action.CREATE, Action.UPDATE), (Action.UPDATE, Action.CREATE)})


def spoken(words: Iterable[str]) -> Action | None:
    """The action the first known verb asks for; verbs count in their base form, lower-cased.
    A verb that only asks for an answer leaves it open."""
    for word in words:
        if word in _ACTIONS:
            return _ACTIONS[word]
        if word in QUESTIONS:
            return Action.READ
        if word in _ANSWERS:
            return None
    return None


def of_tool(tool: Tool) -> Action | None:
    """What a tool does: its method and declared effect outrank its description, that its name.
    None: cannot be told."""
    if tool.method == "PUT" and _STEMS.get(next(map(stem, parts(tool.title)), "")) is Action.CREATE:
        return Action.CREATE
    if tool.method in _METHODS:
        return _METHODS[tool.method]
    if tool.effect is Effect.READ:
        return Action.READ
    described = next(map(stem, parts(tool.description)), "")
    if described in _STEMS:
        return _STEMS[described]
    named = parts(tool.name)
    return spoken(word for word in named if word not in NOUNS) or spoken(named)


def agreement(asked: Action | None, done: Action | None) -> float:
    """From 0 (contradiction) to 1: how well a tool's action answers the one asked for."""
    if asked is None or done is None or asked is done:
        return 1.0
    return 0.6 if (asked, done) in _NEAR else 0.0
