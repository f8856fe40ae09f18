"""Actions: whether a verb, an HTTP method or a tool reads, creates, updates or deletes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import dropwhile, pairwise, takewhile
from typing import Final

from ...domain.tool import Effect, Tool
from .entity import Kind, Mention
from .tokens import GENERIC, STOP, Word, lexicon, parts, stem


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
# Verbs that ask for a result and do not say by which action.
_ASKING: Final = """calculate compute convert predict estimate determine analyze analyse compare solve draw
    run translate play give provide identify evaluate compose simulate plot summarize obtain generate"""
# Verbs of one particular action: only a tool whose text has the verb can serve them.
_PARTICULAR: Final = """ship pay refund email call notify approve reject archive restore export import sync
    turn launch stop print share"""

# Verbs that ask to change something, whatever tools there are: no read fulfils them.
CHANGING: Final = lexicon(
    """accept activate adopt allow amend annul append authorize backdate ban block boost bump censor charge
    clear clone commit connect credit deactivate debit decline decrease degrade demote deny deploy
    detach disable disconnect discard dismiss double downgrade duplicate eject enable enroll erase evict
    expel expire extend fire fix flag follow forbid fork forward freeze grant halve hand hide hire
    increase install join kick kill launch leave lend link lock lower merge migrate mute nuke pause pin
    postpone promote prolong purge put quit raise reassign rebase reboot reduce reenable refuse
    reinstate reject release relocate renew reopen repair repay replace rescind reset resolve restart
    resume retire retract retry revert reverse revive revoke roll rotate sack scrap settle shorten shut
    sign silence spin stop strip subscribe suspend swap switch take terminate throw tag transfer trash
    trigger turn unarchive unassign unban unblock undo unfollow uninstall unlink unlock unmute unpin
    unsubscribe untag upgrade uncheck vacate void vote waive wind wipe withdraw zap"""
)
_ANSWERS: Final = lexicon(_ASKING)
_ACTIONS: Final = {verb: action for action, verbs in _VERBS.items() for verb in verbs.split()}
# The first verb of a description: `Retrieves the ...`. None: the verb does not say which action.
_STEMS: Final[dict[str, Action | None]] = {
    **dict.fromkeys(map(stem, _ASKING.split())),
    **{stem(verb): action for verb, action in _ACTIONS.items()},
}
QUESTIONS: Final = lexicon("what who when where which how")
COMMON: Final = frozenset(_ACTIONS) | frozenset(_ASKING.split()) | QUESTIONS
VERBS: Final = (COMMON - QUESTIONS) | frozenset(_PARTICULAR.split())
# Verbs that are as often nouns: `order_delete`, `book.search`, "name and order number".
NOUNS: Final = lexicon("order book file log change check view display email start mark post put place print")
# Nouns that ask to create one when they open a clause: `invoice the order`.
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


def action_of(words: Iterable[str]) -> Action | None:
    """The action the first known verb asks for; verbs count in their base form, lower-cased.
    None: the verb asks for a result, by any action."""
    for word in words:
        if word in _ACTIONS:
            return _ACTIONS[word]
        if word in QUESTIONS:
            return Action.READ
        if word in _ANSWERS:
            return None
    return None


def action_of_tool(tool: Tool) -> Action | None:
    """What a tool does: its method and declared effect outrank its description, that its name.
    None: unknown."""
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
    return action_of(word for word in named if word not in NOUNS) or action_of(named)


def agreement(asked: Action | None, done: Action | None) -> float:
    """From 0 (contradiction) to 1: how well a tool's action fits the one asked for."""
    if asked is None or done is None or asked is done:
        return 1.0
    return 0.6 if (asked, done) in _NEAR else 0.0


PREPOSITIONS: Final = lexicon(
    "of for in at on with from to by about under using behind where whose that which"
)
_LEADING: Final = STOP - PREPOSITIONS
_JOINTS: Final = lexicon("and or")  # `a branch or tag policy` is a policy
_STOPS: Final = re.compile(r"[,;:.!?]\s")
_WHOLE: Final = lexicon("all every each bulk multiple")
_SENTENCE: Final = re.compile(r"[.,;:\n]")


def deleted_nouns(tool: Tool, named: list[str]) -> frozenset[str]:
    """The nouns of what a tool deletes; a clause must name one of them: `/branches/{name}/protection`
    deletes a protection, not a branch. Empty where the description does not show it."""
    told = [parts(tool.title), named]
    if not (tool.method == "DELETE" and tool.path):
        told.append(parts(_SENTENCE.split(tool.description)[0]))
    found = frozenset(stem(word) for words in told for word in _object(words))
    return found | _last_segment(tool.path) if tool.method == "DELETE" else found


def covers_all(tool: Tool) -> bool:
    """Whether a tool is for all there is of something, by its title or name."""
    return not _WHOLE.isdisjoint([*parts(tool.title), *parts(tool.name)])


def verbs(tool: Tool, named: list[str]) -> frozenset[str]:
    """The stem of the word a tool's title opens with, which may be a verb of its own; without a title, of
    its name."""
    titled = parts(tool.title) if tool.title != tool.name else []
    return frozenset(stem(word) for word in (titled or named)[:1])


def _object(words: list[str]) -> Iterator[str]:
    """The noun behind a verb that deletes; a name may have its verb behind: `order_delete`."""
    if words and not _deletes(words[0]):
        words = words[-1:] + words[:-1]
    if not words or not _deletes(words[0]):
        return
    nouns = takewhile(lambda word: word not in STOP - _JOINTS, dropwhile(_LEADING.__contains__, words[1:]))
    yield from [word for word in nouns if word not in _JOINTS and stem(word) not in GENERIC][-1:]


def _deletes(word: str) -> bool:
    return action_of([word]) is Action.DELETE or (
        word.endswith("s") and action_of([word[:-1]]) is Action.DELETE
    )


def _last_segment(path: str) -> frozenset[str]:
    plain = [words for part in path.split("/") if "{" not in part and (words := _nouns(part))]
    return frozenset(stem(word) for word in plain[-1][-1:]) if plain else frozenset()


def _nouns(segment: str) -> list[str]:
    return [word for word in parts(segment) if word not in VERBS and word not in STOP]


def deleted_words(text: str, heard: Sequence[tuple[Word, Mention | None]]) -> frozenset[str] | None:
    """The stems of the object of a clause's deleting verb, without the prepositional phrase behind it.
    Empty: a preposition follows the verb. None: the object is a pronoun or a value."""
    behind = list(dropwhile(lambda pair: not _deletes(pair[0].plain), heard))
    if len(behind) > 1 and behind[1][0].plain in PREPOSITIONS:
        return frozenset()
    said = _before_preposition(text, behind)
    plain = (w for w, mention in said if mention is None or mention.kind is Kind.PHRASE)
    return frozenset(w.stem for w in plain if w.plain not in STOP and not _is_possessive(w)) or None


def _before_preposition(
    text: str, behind: Sequence[tuple[Word, Mention | None]]
) -> Iterator[tuple[Word, Mention | None]]:
    for (before, _), (word, mention) in pairwise(behind):
        if word.plain in PREPOSITIONS or _STOPS.search(text, before.end, word.start):
            return
        yield word, mention


def _is_possessive(word: Word) -> bool:
    return "'" in word.text or "\u2019" in word.text
