"""Interprets an intent clause by clause: ranks the tools for each and drafts their calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from ...domain.tool import Effect
from ...ports import Brief
from .actions import CHANGING, COMMON, VERBS, Action, action_of
from .clauses import Clause, split_clauses
from .context import RunContext
from .entities import extract_mentions
from .entity import Kind, Mention
from .lookups import ClauseContext, ClauseDraft, DraftCall, add_look_ups, bind_outputs, finish_draft
from .parameters import ToolParameter, Type
from .query import build_query
from .scoring import FAINT, FAIR, QUERIES, SORTED, SURE
from .slot_filling import Binding, bind_slugs
from .tokens import lexicon, stem, stems
from .tool_index import FITS, Ranked, ToolIndex
from .tool_profile import ToolProfile
from .utterance import ClauseFeatures, extract_features

_NUMERIC: Final = frozenset({Type.INTEGER, Type.NUMBER})
_SEEKING: Final = lexicon("find search look lookup query browse")
_SOUGHT: Final = lexicon("for about")  # what stands behind them is looked for
_POINTERS: Final = lexicon("it its them they their that those this these him his her he she there")


def draft_call(context: ClauseContext, profile: ToolProfile, drafts: tuple[DraftCall, ...]) -> ClauseDraft:
    """Draft the call of one tool for a clause, behind the drafts so far.

    Values come from the clause first, then from the run's context, then from outputs of earlier
    steps. What is still missing comes from lower scores, earlier clauses and look-ups, in this order.
    """
    row = context.features.counts_for(profile)
    binding = Binding(profile.with_elements(len(row)))
    binding.bind_quantities(row)
    binding.skip_parameter_names(context.features)
    bind_slugs(binding, context.features)
    binding.bind_documented_values(context.features)
    binding.bind_phrases(context.features.phrasing)
    binding.bind_entities(context.features)
    binding.bind_unambiguous(context.features, binding.missing(), binding.unbound(context.features))
    binding.bind_context(context.run_context)
    bind_outputs(binding, _linkable(context, binding), drafts)
    binding.bind_entities(context.features, least=FAIR, only=binding.missing())
    for earlier in reversed(context.earlier):
        binding.bind_entities(earlier, least=SURE, only=binding.missing())
    _bind_search_term(context, binding)
    drafts = add_look_ups(context, binding, drafts)
    _complete_number_list(context, binding)
    binding.bind_unambiguous(context.features, list(binding.unset()), binding.unbound(context.features))
    if binding.profile.action in (None, Action.READ):  # a tool that writes takes no value on a guess
        named = [p for p in binding.unset() if p.type is Type.TEXT and not p.words & SORTED]
        binding.bind_unambiguous(context.features, named, binding.unbound_names(context.features))
    binding.bind_entities(context.features, least=FAINT, only=binding.missing())
    binding.extend_texts(context.features)
    binding.bind_defaults()
    return finish_draft(context, binding, drafts)


def _complete_number_list(context: ClauseContext, binding: Binding) -> None:
    """Bind every number of the clause to the only list of numbers, if no other parameter lacks a number."""
    lists = [
        a
        for a in binding.arguments.values()
        if a.parameter.array and a.parameter.type in _NUMERIC and a.mentions
    ]
    if len(lists) != 1 or any(parameter.type in _NUMERIC for parameter in binding.missing()):
        return
    (found,) = lists
    free = {
        entity.mention for entity in binding.unbound(context.features) if entity.mention.kind is Kind.NUMBER
    }
    taken = [entity for entity in context.features.entities if entity.mention in free | found.mentions]
    scores = [
        context.features.score(found.parameter, entity, binding.profile, binding.spoken) for entity in taken
    ]
    values = [slot_score.value for slot_score in scores if slot_score is not None]
    if free and len(values) == len(taken):
        mentions = frozenset(entity.mention for entity in taken)
        binding.add(msgspec.structs.replace(found, values=(values,), mentions=mentions))


def _bind_search_term(context: ClauseContext, binding: Binding) -> None:
    """For read-only tools, bind the search parameter to a phrase with words unknown to every tool."""
    if not binding.profile.only_reads or any(argument.mentions for argument in binding.arguments.values()):
        return
    verb, _ = context.clause.opening
    kinds = {Kind.NAME, Kind.PHRASE} if verb in _SEEKING else {Kind.NAME}
    queries = [p for p in binding.unset() if p.type is Type.TEXT and p.words & QUERIES]
    for entity in context.features.entities:
        said = frozenset(stems(str(entity.mention.value)))
        sought = verb in _SEEKING and entity.cues & _SOUGHT and not said <= binding.profile.subject_words
        if entity.mention.kind in kinds and (sought or not all(map(context.index.has_word, said))):
            binding.bind_entities(
                context.features.restricted_to(entity.mention), least=FAIR, only=queries[:1]
            )
            return


def _linkable(context: ClauseContext, binding: Binding) -> list[ToolParameter]:
    """The parameters for outputs of earlier steps: missing ones, and identifiers the clause refers to."""
    words = context.clause.words
    points = any(word.plain in _POINTERS for word in words)
    named = {word.stem for word in words}
    optional = [p for p in binding.unset() if p.identifies and (points or p.particular & named)]
    return [*binding.missing(), *optional]


MOST: Final = 20  # clauses of an intent, and things one counts; more would hold up the event loop
_TRIED: Final = 3  # tools per clause whose arguments are looked at
_CLOSE: Final = 0.75  # of the best score, for a tool to be drafted as well
_MAY_FIT: Final = 0.15  # enough for a call with all its arguments, if no value of the clause is left over
_ARGUMENT: Final = 0.04  # what one point of a slot score adds to a tool's score
_LOOK_UP: Final = 0.1  # what each look-up takes off it
_MERGES: Final = 4  # clauses tried as details of others; each costs one more interpretation
_SETTING: Final = frozenset({"set", "make", "use", "adjust"})


class Interpretation(Struct, frozen=True, kw_only=True):
    """How one clause was interpreted.

    `ranked` are the tools considered, best first. `drafts` include those of the clauses before.
    """

    clause: Clause
    ranked: tuple[Ranked, ...]
    fits: bool = False  # whether a tool fits the clause well enough
    drafts: tuple[DraftCall, ...] = ()
    missing: tuple[ToolParameter, ...] = ()
    ignored: tuple[Mention, ...] = ()  # values that the call must use, and does not
    too_many: bool = False  # asks for more than MOST things

    @property
    def is_served(self) -> bool:
        """Whether calls were found that do what the clause asks."""
        return self.fits and not self.missing and not self.ignored and not self.too_many

    @property
    def draft(self) -> DraftCall | None:
        """The call that serves the clause; its look-ups come before it."""
        return self.drafts[-1] if self.drafts else None


class Interpreter:
    """Interprets one intent."""

    def __init__(self, brief: Brief, index: ToolIndex) -> None:
        self._intent = brief.intent
        self.index = index
        self._run_context = RunContext(brief.context)
        self.mentions = extract_mentions(brief.intent, self._run_context.localize(brief.now))
        self._merges = 0
        self._known: dict[tuple[int, int], ClauseFeatures] = {}

    def interpret(self) -> tuple[Interpretation, ...]:
        """Interpret each clause, up to the first that cannot be served or exceeds MOST."""
        kept: list[Interpretation] = []
        rest = list(split_clauses(self._intent, self.mentions)[: MOST + 1])
        while rest:
            clause = rest.pop(0)
            current = self._interpret(clause, kept)
            if kept and _is_repetition(current, kept[-1]):
                continue
            if not current.is_served and kept and (both := self._merge(kept[-1], clause, kept[:-1])):
                kept[-1] = both
                continue
            if not current.is_served and rest and (both := self._merge(current, rest[0], kept)):
                current = both
                rest.pop(0)
            kept.append(current)
            if not current.is_served:
                break
        return tuple(kept)

    def _merge(
        self, first: Interpretation, clause: Clause, kept: Sequence[Interpretation]
    ) -> Interpretation | None:
        """Merge a clause with the clause behind it, if that only adds arguments to its call."""
        if first.draft is None or self._merges == _MERGES or not _is_addition(clause, first.clause):
            return None
        self._merges += 1
        start, end = first.clause.start, clause.end
        asks = first.clause.asks + clause.asks
        both = self._interpret(Clause(self._intent[start:end], start, end, first.clause.after, asks), kept)
        return both if both.is_served and both.draft and _is_extension(both.draft, first.draft) else None

    def _interpret(self, clause: Clause, kept: Sequence[Interpretation]) -> Interpretation:
        features = self._features(clause)
        earlier = tuple(self._features(one.clause) for one in kept)
        context = ClauseContext(self.index, self._run_context, clause, len(kept), features, earlier)
        return _interpret(context, kept[-1].drafts if kept else ())

    def _features(self, clause: Clause) -> ClauseFeatures:
        place = (clause.start, clause.end)
        if place not in self._known:
            self._known[place] = extract_features(self._intent, clause, self.mentions)
        return self._known[place]


def _is_repetition(interpretation: Interpretation, before: Interpretation) -> bool:
    """Whether a clause leads to the same call as the clause before: it says the same in other words. A
    call that creates something is never a repetition."""
    one, other = interpretation.draft, before.draft
    if not (interpretation.is_served and one and other) or one.profile.action is Action.CREATE:
        return False
    return one.profile is other.profile and one.given == other.given


def _is_addition(clause: Clause, to: Clause) -> bool:
    """Whether a clause can be a detail of the one before: it asks for no other action."""
    first, _ = clause.opening
    if clause.after or first in VERBS - COMMON:
        return False
    action = action_of(word.plain for word in clause.words)
    return first in _SETTING or action in (None, Action.READ, action_of(word.plain for word in to.words))


def _is_extension(both: DraftCall, one: DraftCall) -> bool:
    """Whether a call has all arguments of another, and more."""
    mine = {argument.parameter.path: argument.values for argument in one.arguments if argument.mentions}
    given = {argument.parameter.path: argument.values for argument in both.arguments}
    same = all(given.get(path) == values for path, values in mine.items())
    return same and both.profile is one.profile and len(given) > len(one.arguments)


def _interpret(context: ClauseContext, drafts: tuple[DraftCall, ...]) -> Interpretation:
    asked = build_query(context.clause, context.features, context.index.has_word)
    ranked = tuple(context.index.rank(asked, _TRIED))
    interpretation = Interpretation(clause=context.clause, ranked=ranked)
    best = ranked[0].score if ranked else 0.0
    if best < _MAY_FIT:
        return interpretation
    close = [r for r in ranked if r.score >= max(min(best, FITS), best * _CLOSE)]
    # A deleting tool needs a full fit, however complete its call is.
    close = [r for r in close if r.score >= FITS or r.profile.action is not Action.DELETE]
    if not close:
        return interpretation
    if any(len(context.features.counts_for(r.profile)) > MOST for r in close):
        return msgspec.structs.replace(interpretation, fits=True, too_many=True)
    drafted = _best_draft(context, close, drafts)
    if (best < FITS and not (drafted.is_complete and drafted.is_grounded)) or drafted.changes_nothing:
        return interpretation
    if _reads_instead(context.clause, drafted):
        return interpretation
    return msgspec.structs.replace(
        interpretation,
        fits=True,
        drafts=_order(context, drafted.drafts, len(drafts)),
        missing=drafted.missing,
        ignored=drafted.ignored,
    )


def _reads_instead(clause: Clause, drafted: ClauseDraft) -> bool:
    """Whether a clause asks to change something and its call reads it: `decline request 14`."""
    verb, _ = clause.opening
    profile = drafted.drafts[-1].profile
    return verb in CHANGING and profile.tool.effect is Effect.READ and stem(verb) not in profile.terms


def _best_draft(
    context: ClauseContext, ranked: Sequence[Ranked], drafts: tuple[DraftCall, ...]
) -> ClauseDraft:
    """Of the tools that fit about as well, the one whose arguments are given best."""
    drafted = [(draft_call(context, r.profile, drafts), r.score) for r in ranked]
    return max(drafted, key=lambda pair: _preference(pair[0], pair[1], len(drafts)))[0]


def _preference(drafted: ClauseDraft, fit: float, earlier: int) -> tuple[bool, bool, float]:
    look_ups = len(drafted.drafts) - earlier - 1
    return not drafted.missing, drafted.is_complete, fit + drafted.score * _ARGUMENT - look_ups * _LOOK_UP


def _order(context: ClauseContext, drafts: tuple[DraftCall, ...], earlier: int) -> tuple[DraftCall, ...]:
    """Order a call behind the one before, if the intent says so, unless both only read."""
    last = drafts[-1]
    if not context.clause.after or not earlier:
        return drafts
    # Look-ups come before the call they serve: the last draft is the clause's own.
    before = drafts[earlier - 1]
    if last.profile.tool.effect is before.profile.tool.effect is Effect.READ:
        return drafts
    return (*drafts[:-1], msgspec.structs.replace(last, after=(earlier - 1,)))
