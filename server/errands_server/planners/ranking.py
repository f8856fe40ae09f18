"""Ranking: how well each tool answers a clause, in the manner of BM25 with fields."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from ..ports import Candidate
from .actions import COMMON, NOUNS, Action, agreement, spoken
from .cache import Cache
from .clauses import Clause, opening
from .mentions import Kind, Mention
from .sheets import Sheet, read
from .words import STOP, SYNONYMS, Word, words

FITS: Final = 0.3  # measured on function-calling data: below it more tools are wrong than right
_COVERAGE, _PRECISION = 0.7, 0.3
_SYNONYM: Final = 0.8
_BEHIND: Final = 0.4  # words behind a preposition say with what, not what
_OPENING: Final = 2.0  # an uncommon verb, or the very subject: what opens a clause must be met
_PREPOSITIONS: Final = frozenset("of for in at on with from to by about near between under using named called".split())
_VALUES: Final = frozenset(Kind) - {Kind.PHRASE, Kind.NAME}


class Ranked(Struct, frozen=True):
    """A tool and how well it answers a clause, from 0 to 1."""

    sheet: Sheet
    score: float


class Demand(Struct, frozen=True):
    """What a clause asks for: the action, and what each word of it weighs."""

    action: Action | None
    weights: Mapping[str, float]
    said: frozenset[str]


class Catalogue:
    """The candidates of one selection, indexed by word."""

    def __init__(self, sheets: Sequence[Sheet]) -> None:
        self.sheets = sheets
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, sheet in enumerate(sheets):
            for word, weight in sheet.terms.items():
                self._postings[word].append((number, weight))

    def knows(self, word: str) -> bool:
        """Whether any tool's text has this stem."""
        return word in self._postings

    def rank(self, demand: Demand, limit: int) -> list[Ranked]:
        """The best tools for a demand, best first; equal ones in catalogue order."""
        rarity = {word: self._rarity(word) for word in demand.weights}
        whole = sum(weight * rarity[word] for word, weight in demand.weights.items())
        covered: Counter[int] = Counter()
        for word, weight in demand.weights.items():
            for number, share in self._answers(word).items():
                covered[number] += weight * rarity[word] * share / whole
        ranked = (Ranked(self.sheets[n], _fit(self.sheets[n], demand, share)) for n, share in covered.items())
        best = sorted(ranked, key=lambda r: -r.score)
        return [r for r in best[:limit] if r.score > 0]

    def _answers(self, word: str) -> dict[int, float]:
        found = dict(self._postings.get(word, ()))
        for other in SYNONYMS.get(word, ()):
            for number, weight in self._postings.get(other, ()):
                found[number] = max(found.get(number, 0.0), weight * _SYNONYM)
        return found

    def _rarity(self, word: str) -> float:
        # A word no tool has weighs like one that a single tool has: both are particular.
        return math.log(1 + len(self.sheets) / max(len(self._postings.get(word, ())), 1))


def _fit(sheet: Sheet, demand: Demand, covered: float) -> float:
    precision = len(sheet.nouns & demand.said) / len(sheet.nouns) if sheet.nouns else 0.0
    return (_COVERAGE * covered + _PRECISION * precision) * agreement(demand.action, sheet.action)


def demand(clause: Clause, found: Iterable[Mention], catalogue: Catalogue) -> Demand:
    """What a clause asks for. Values weigh nothing, nor do names no tool knows."""
    spans = [(m.start, m.end, m.kind) for m in found]
    weights: dict[str, float] = {}
    behind = False
    first, _ = opening(clause.text)
    spoken_words = list(words(clause.text))
    for word in spoken_words:
        behind = behind or (word.text.lower() in _PREPOSITIONS and bool(weights))
        weight = _weight(word, clause, spans, catalogue) * (_BEHIND if behind else 1.0)
        if word.text.lower() == first and first not in COMMON:
            weight *= _OPENING
        if weight:
            weights[word.stem] = max(weights.get(word.stem, 0.0), weight)
    said = {w.stem for w in spoken_words}
    said |= {other for word in said for other in SYNONYMS.get(word, ())}
    return Demand(_action(spoken_words), weights, frozenset(said))


def _weight(word: Word, clause: Clause, spans: Sequence[tuple[int, int, Kind]], catalogue: Catalogue) -> float:
    if word.text.lower() in STOP:
        return 0.0
    place = clause.start + word.start
    kind = next((kind for start, end, kind in spans if start <= place < end), None)
    if kind in _VALUES:
        return 0.0
    if kind is Kind.NAME and not catalogue.knows(word.stem):
        return 0.0
    # A common verb is answered by the action; its word only helps.
    return 0.3 if word.text.lower() in COMMON - NOUNS else 1.0


def _action(said: Sequence[Word]) -> Action | None:
    return spoken(part for word in said for part in (word.text.lower().split("'")[0].split("’")[0],))


class Library:
    """Catalogues and sheets kept between plans. Tool refs name immutable revisions, so nothing goes stale."""

    def __init__(self, *, sheets: int = 4096, catalogues: int = 32) -> None:
        self._sheets: Cache[object, Sheet] = Cache(sheets)
        self._catalogues: Cache[object, Catalogue] = Cache(catalogues)

    def catalogue(self, candidates: Sequence[Candidate]) -> Catalogue:
        """The index over these candidates; deprecated tools stay out where others remain."""
        key = tuple((candidate.ref, candidate.integration_name) for candidate in candidates)
        return self._catalogues.get(key, lambda: self._build(candidates))

    def _build(self, candidates: Sequence[Candidate]) -> Catalogue:
        live = [c for c in candidates if not c.tool.deprecated] or candidates
        return Catalogue([self._sheet(candidate) for candidate in live])

    def _sheet(self, candidate: Candidate) -> Sheet:
        return self._sheets.get((candidate.ref, candidate.integration_name), lambda: read(candidate))
