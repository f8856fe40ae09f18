"""Qualifiers: words that change what an intent asks for and that no plan of this planner can express.

Negations, conditions, restrictions, questions about doing, reports, waits and times of doing. A plan that
changes something in spite of one of them would do what nobody asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from .actions import CHANGING, MAKING, VERBS
from .clauses import opening, opening_of_request
from .entity import Kind, Mention
from .lookups import DraftCall
from .slot_filling import Argument
from .tokens import lexicon, parts, stems


class Change(StrEnum):
    """How a qualifier changes what is asked, as messages say it."""

    NEGATION = "says what not to do"
    CONDITION = "makes it depend on something"
    RESTRICTION = "restricts it"
    UNCERTAIN = "does not ask for it yet"
    QUESTION = "asks about it"
    REPORT = "tells about it"
    WAIT = "waits for somebody"
    TIME = "sets a time for it"


class Qualifier(Struct, frozen=True, kw_only=True):
    """Words of the intent, and how they change what is asked."""

    words: str
    change: Change


def _pattern(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{'|'.join(alternatives)})(?![\w-])")


# Courtesies that look like qualifiers; they are blanked first.
_COURTESY: Final = _pattern(
    r"if (?:you don't mind|you do not mind|you please|you would|you can|you could|possible)",
    r"when(?:ever)? you (?:can|have (?:time|a (?:moment|minute|chance|second)))",
    r"(?:do not|don't|dont) (?:forget|hesitate|fail) to",
    r"(?:why don't|can't|couldn't|won't) you",
    r"would you mind (?:delet|remov|start|stopp|cancel|send|clos|open|creat|add|mak|mov|chang|updat|sett)ing",
    r"be (?:so kind as to|a dear and|kind enough to)|go (?:ahead|and)(?: and)?|let's|ok|okay|hello|hi",
    r"(?:and |just )?after (?:that|this|which)",
    r"once more|no problem|not only",
)
_PEOPLE: Final = (
    r"(?:i|we|you|one|he|she|they|it|somebody|someone|everybody|everyone|anybody|anyone|nobody|who)"
)
_SPAN: Final = r"(?:minute|hour|day|night|morning|afternoon|evening|week|weekend|month|quarter|year)"
_WEEKDAY: Final = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
_PATTERNS: Final = (
    (
        Change.QUESTION,
        _pattern(
            rf"how (?:do|does|can|could|would|will|should|might) {_PEOPLE}|how to|how about",
            r"what (?:if|about|happens)|what (?:would|will|might|could) happen",
            r"(?:should|shall|may|must|can|could|might|do|did|would|have|had|am|are|were|was) (?:i|we)",
            r"is it (?:possible|ok|okay|safe|wise|allowed)|would it be|good idea",
        ),
    ),
    (
        Change.NEGATION,
        _pattern(
            r"not|never|neither|nor|cannot|without|nobody|none|nothing|nowhere|no(?!\.?\s?#?\d)",
            r"[a-z]+n't|(?:do|does|did|wo|ca|should|must|is|are|was|were)nt",
            r"forbidden|prohibited|banned|the last thing|steer clear|far from|disregard|nope?",
            r"avoid|refrain|abstain|skip|omit|ignore|leave (?:it|out|alone|off)|stop (?:it|that|\w+ing)",
            r"forget (?:about|it|that)|hands off|keep (?:away|off)|hold (?:on|off)",
            r"changed my mind|never ?mind|scratch that",
        ),
    ),
    (
        Change.CONDITION,
        _pattern(
            r"if|unless|whether|otherwise|else|provided|providing|assuming|depending|supposing|contingent",
            r"in (?:case|the event|which case)|on condition|subject to|given that|where possible|either",
            r"(?:as|so) (?:long|soon) as|the moment",
            r"when|whenever|once|until|till|til|while|whilst|before|after|by then",
        ),
    ),
    (
        Change.RESTRICTION,
        _pattern(
            r"only|solely|exclusively|merely|but|however|though|although|unlike|instead|rather",
            r"except(?:ing|ed)?|exception|excluding|exclude|exempt|besides|(?:apart|aside) from|other than",
            r"at (?:most|least)|up to|maximum|minimum|max|min|not exceeding|above|below|save for",
            r"(?:more|less|fewer|greater|older|newer|larger|smaller|higher|lower|earlier|later) than",
            r"half|the rest|remaining|yet|minus|barring|just (?:the|my|this|that|one)",
            r"keep(?:ing)? (?:the|my|all)",
        ),
    ),
    (
        Change.UNCERTAIN,
        _pattern(
            r"maybe|perhaps|possibly|hypothetically|imagine|suppose|pretend|wonder(?:ing)?",
            r"(?:think(?:ing)? (?:of|about)|consider(?:ing)?|plan(?:ning|s)? to|intend(?:ing|s)? to)",
            r"(?:going|about|ought) to|gonna|might|(?:would|could|should) have|tempted",
            r"yeah right|as if|supposedly|allegedly|one day|doubt|guess|prior to",
            r"draft|dry.run|simulate|preview|see (?:if|whether|what)|prepare to|get ready",
        ),
    ),
    (
        Change.WAIT,
        _pattern(
            r"wait\w*|confirm\w*|agree\w*|approv\w*|permission|consent\w*|sign.?off|go.?ahead|pending",
            r"ask (?:me|us|him|her|them|\w+ first)|check (?:with|back|first)|double.?check|remind (?:me|us)",
            r"let me|let us know|first (?:ask|check|confirm|tell|show)",
        ),
    ),
    (
        Change.REPORT,
        _pattern(
            r"already|yesterday|ago|previously|earlier|formerly|last (?:week|month|night|year|time)",
            r"(?:was|were|been|being|got) (?:[a-z]+ed|told|sent|made|paid|sold|cut|done|given|taken)",
            r"(?:has|have|had|'ve|'s|'d) (?:(?:just|since|now|also) )?[a-z]+ed",
            r"(?:he|she|they|it|somebody|someone|who) (?:wants?|needs?|likes?|hopes?)|wants|wanted",
            r"(?<!that )(?<!which )(?:said|says|asks|asked|told|tells|suggests|suggested|thinks|thought)",
            r"(?:insist|request|recommend|demand)(?:s|ed)|begged|according to",
        ),
    ),
    (
        Change.TIME,
        _pattern(
            r"later|soon|tonight|tomorrow|eventually|someday|sometime|overnight|regularly|periodically",
            r"hourly|daily|nightly|weekly|monthly|quarterly|yearly|annually|recurring",
            rf"(?:every|each|next|this coming|the following) (?:other )?{_SPAN}s?",
            rf"(?:every|each|next|on|by|this) {_WEEKDAY}",
            rf"(?:in|within) (?:an?|one|two|three|a few|some|several|\d+) (?:second|{_SPAN})s?",
            r"(?:at|by|around) (?:noon|midnight|dawn|dusk|lunch(?:time)?)",
            rf"(?:middle|end) of (?:the )?{_SPAN}|from now|fortnight|come {_WEEKDAY}",
            rf"(?:in|within) [a-z]+(?:-[a-z]+)? (?:second|{_SPAN})s",
            r"(?:at|on|by|before|after|until) (?:christmas|easter|new year|thanksgiving|halloween)\w*",
        ),
    ),
)
# A request that opens with somebody who acts only tells of it: `we will delete it`.
_STATEMENT: Final = re.compile(
    rf"\W*(?:(?:so|well|oh|and|then|also|today|now)\W+)*{_PEOPLE}(?:'(?:ll|ve)\b|"
    r"\s+(?:(?:just|also|now|finally|then|simply)\s+)*(?:[a-z]+ed(?<!need)|sent|bought|made|did|got|wrote|paid"
    r"|gave|took|put|lost|found|sold|began|chose|cut|set|ran|went|will|shall|should|keep|kept|am)\b)",
    re.IGNORECASE,
)
_QUESTION: Final = re.compile(
    r"\W*(?:(?:hi|hey|hello|so|well|and|please|ok|okay)\W+)*"
    r"(?:what|who|whom|whose|when|where|which|why|how|did|does|do|is|are|was|were|has|have|had"
    r"|should|shall|may|might|must|am"
    r"|(?:can|could|would|will) (?:i|we|he|she|they|it|the|this|that|somebody|someone|anyone))\b",
    re.IGNORECASE,
)
_ASKED_OF_US: Final = re.compile(
    r"\W*(?:\w+\W+){0,3}(?:can|could|would|will|won't|can't)\W+you\b"
    r"|.*,\s*(?:can|could|would|will) you\W*$",
    re.IGNORECASE | re.DOTALL,
)
_BASE_FORMS: Final = VERBS | CHANGING | MAKING
# Where another part of a request begins, before which a remark may stand: `my hands are full, open it`.
_PARTS: Final = re.compile(r"[,:;\u2013\u2014]|\b(?:so|please)\b")
_MOMENTS: Final = frozenset({Kind.DATE, Kind.TIME, Kind.CLOCK, Kind.PERIOD})
_NOW: Final = lexicon("today")
# Values whatever their words.
_SOLID: Final = frozenset(
    {
        Kind.QUOTED,
        Kind.LITERAL,
        Kind.URL,
        Kind.EMAIL,
        Kind.UUID,
        Kind.IDENTIFIER,
        Kind.SLUG,
        Kind.EXPRESSION,
    }
)
# What follows these marks is a text that somebody wrote, to its end.
_CITES: Final = re.compile(r"(?::|\b(?:saying|says|reading|reads))\s*$", re.IGNORECASE)
# Every apostrophe and blank is written as one of each.
_APOSTROPHES: Final = {
    **dict.fromkeys(map(ord, "\u2019\u2018\u00b4`\u02bc\u2032"), "'"),
    **dict.fromkeys(map(ord, "\n\t\u00a0"), " "),
}
_INSIDE: Final = re.compile(r"[\w,'\u2019\u201c\u2018\"]\s$")
_CITED: Final = 24  # characters before a text, of which one of these words ends
# Their words may also say what a tool does: `approve request 14`, `draft a contract`.
_ALSO_ACTIONS: Final = frozenset({Change.WAIT, Change.UNCERTAIN, Change.TIME, Change.REPORT})
_DENIED: Final = frozenset({"(False,)", "('False',)", "('false',)"})
_NEAR: Final = 3  # words behind a negation, of which one names what it denies
_BOUNDS: Final = frozenset(
    stems("max maximum min minimum limit most least before after until till since from to")
)


def find_qualifier(
    intent: str, requests: Iterable[str], mentions: Sequence[Mention], drafts: Sequence[DraftCall]
) -> Qualifier | None:
    """The first qualifier that the drafts do not express; None: there is none.

    `requests` are the clauses that ask to change something, each with the mark that ends it.
    """
    arguments = [argument for draft in drafts for argument in draft.arguments]
    used = [m for m in mentions if any(_uses(argument, m, intent) for argument in arguments)]
    counted = [m for m in used if m.kind in (Kind.NUMBER, Kind.COUNT)]
    text = _blank(intent, mentions, used, arguments)
    spoken = frozenset(
        word for draft in drafts for word in parts(f"{draft.profile.tool.name} {draft.profile.title}")
    )
    named = frozenset(
        word for draft in drafts for word in stems(f"{draft.profile.tool.name} {draft.profile.title}")
    )
    found = [
        (match.start(), match.end(), change)
        for change, pattern in _PATTERNS
        for match in pattern.finditer(text)
        if not _is_expressed(match, text, change, arguments, named)
        and not (change is Change.TIME and any(match.start() <= m.start < match.end() for m in counted))
    ]
    found += [
        (mention.start, mention.end, Change.TIME)
        for mention in mentions
        if mention.kind in _MOMENTS
        and mention not in used
        and intent[mention.start : mention.end].lower() not in _NOW
    ]
    if found:
        start, end, change = min(found)
        return Qualifier(words=intent[start:end], change=change)
    return next(filter(None, (_about(request, _BASE_FORMS | spoken) for request in requests)), None)


def _about(request: str, verbs: frozenset[str]) -> Qualifier | None:
    """The words by which a request is a question about doing, or tells of it; None: it is a command, which
    opens with one of the verbs.
    """
    request = _COURTESY.sub("", request.translate(_APOSTROPHES).lower())
    if match := _QUESTION.match(request):
        return Qualifier(words=match.group().strip(), change=Change.QUESTION)
    if match := _STATEMENT.match(request):
        return Qualifier(words=match.group().strip(), change=Change.REPORT)
    if not any(_opens_with(verbs, part) for part in _PARTS.split(request)):
        return Qualifier(words=request.strip(), change=Change.REPORT)
    if request.rstrip().endswith("?") and not _ASKED_OF_US.match(request):
        return Qualifier(words=request.strip(), change=Change.QUESTION)
    return None


def _opens_with(verbs: frozenset[str], text: str) -> bool:
    first, _ = opening_of_request(text)
    return (first or opening(text)[0]) in verbs


def _uses(argument: Argument, mention: Mention, intent: str) -> bool:
    if mention in argument.mentions:
        return True
    words = intent[mention.start : mention.end].lower()
    return any(_has_words(text.lower(), words) for text in _texts(argument))


def _has_words(text: str, words: str) -> bool:
    """Whether a text has these words, and not as parts of longer ones."""
    start = text.find(words)
    while start >= 0:
        before, behind = text[max(0, start - 1) : start], text[start + len(words) :][:1]
        if not (before.isalnum() or behind.isalnum()):
            return True
        start = text.find(words, start + 1)
    return False


def _texts(argument: Argument) -> Iterator[str]:
    for value in argument.values:
        yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def _blank(
    intent: str, mentions: Sequence[Mention], used: Sequence[Mention], arguments: Sequence[Argument]
) -> str:
    """The intent in lower case, with values and courtesies made unreadable, places unchanged."""
    spans = [(m.start, m.end) for m in mentions if m.kind in _SOLID]
    spans += [(m.start, m.end) for m in used if m.kind in _MOMENTS or _is_proper(intent, m)]
    for text in {text for argument in arguments if argument.mentions for text in _texts(argument)}:
        start = intent.find(text)
        if start >= 0 and _CITES.search(intent, max(0, start - _CITED), start):
            spans.append((start, start + len(text)))
    plain = intent.lower()
    if len(plain) != len(intent):  # some letters have two in lower case
        plain = "".join(low if len(low := letter.lower()) == 1 else letter for letter in intent)
    plain = plain.translate(_APOSTROPHES)
    for start, end in spans:
        plain = plain[:start] + "\0" * (end - start) + plain[end:]
    return _COURTESY.sub(lambda match: "\0" * len(match.group()), plain)


def _is_proper(intent: str, mention: Mention) -> bool:
    """Whether it is a name whose every word is written as one, inside of a sentence."""
    if mention.kind is not Kind.NAME or not _INSIDE.search(intent, 0, mention.start):
        return False
    return all(not word[:1].islower() for word in intent[mention.start : mention.end].split())


def _is_expressed(
    match: re.Match[str], text: str, change: Change, arguments: Sequence[Argument], named: frozenset[str]
) -> bool:
    """Whether a value or a name of the calls says it: `expires never`, `without owner` (include_owner:
    false), `approve it` where that is what the tool does."""
    said = frozenset(stems(match.group()))
    if change in _ALSO_ACTIONS and said <= named:
        return True
    behind = frozenset(stems(" ".join(re.findall(r"[^\W_]+", text[match.end() :])[:_NEAR])))
    for argument in arguments:
        words = argument.parameter.words
        if str(argument.values) in _DENIED and words & behind:
            return True
        if said & words & _BOUNDS:
            return True
        if "enum" in argument.parameter.schema and any(
            said <= set(stems(value)) for value in _texts(argument)
        ):
            return True
    return False
