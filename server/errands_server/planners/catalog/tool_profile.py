"""Sheets: what the planner keeps of a tool, computed once per immutable revision."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ...domain.plan import Path
from ...domain.tool import Effect, Tool
from ...ports import Candidate
from .actions import SIDES, VERBS, Action, heads, of_tool, spoken, sweeps, verbs
from .parameters import ToolParameter, Type, given, taken
from .tokens import GENERIC, STOP, content, lexicon, parts, stem, stemmed, stems

# What a word weighs by where it stands: a name is chosen, a description is chatted.
_FIELDS: Final = {"name": 3.0, "title": 2.0, "tags": 1.5, "path": 1.0, "description": 1.0, "parameters": 0.6}
_SATURATION: Final = 1.0
_USUAL_LENGTH: Final = 15  # words of a description; longer ones count for less, as in BM25
# Names under which lists are wrapped; they say nothing about what is in the list.
_WRAPPERS: Final = stemmed(
    "data items item results result records record values entries list content response"
)
_QUANTITIES: Final = stemmed("quantity qty")
# Who asks, as names and titles say it.
_SPEAKER: Final = re.compile(
    r"[-_ ]?(?:(?:for|by)[-_ ](?:the[-_ ])?)?(?:authenticated|current)[-_ ]user", re.IGNORECASE
)
_TAGGED: Final = re.compile(r"(?P<tag>[^_./]+)[_./](?P<rest>.+?)")
_WORDLESS: Final = lexicon("get api v data info information")


class ToolProfile(Struct, frozen=True, dict=True):
    """A tool read once: its words, its action, what it takes and gives."""

    candidate: Candidate
    terms: Mapping[str, float]  # stem to weight, 0..1
    nouns: frozenset[str]  # what its name says it is about
    resource: frozenset[str]  # the thing it deals with, for matching identifiers
    action: Action | None
    takes: tuple[ToolParameter, ...]
    kinds: frozenset[str] = frozenset()  # of the thing it deals with; as good as its own name

    @cached_property
    def gives(self) -> tuple[ToolParameter, ...]:
        """What the answer holds, where that is documented."""
        output = self.candidate.tool.output
        return given(output) if output else ()

    @cached_property
    def heads(self) -> frozenset[str]:
        """What it deletes, if it does: one of these nouns."""
        found = heads(self.tool, named(self.tool))
        return found | self.kinds if found & self.resource else found

    @cached_property
    def verbs(self) -> frozenset[str]:
        """The verbs it may be asked for by, its own ones included."""
        return verbs(self.tool, named(self.tool)) - self.heads

    @cached_property
    def sweeps(self) -> bool:
        """Whether it is for all there is of something."""
        return sweeps(self.tool)

    @cached_property
    def choices(self) -> frozenset[Action]:
        """The actions one chooses from by an enumeration: `add`, `delete`."""
        options = (str(option).lower() for leaf in self.takes for option in leaf.schema.get("enum") or ())
        return frozenset(action for option in options if (action := spoken([option])))

    @property
    def changes(self) -> frozenset[Path]:
        """What a PATCH may change; it does nothing without one of these."""
        return frozenset(
            leaf.path for leaf in self.takes if self.tool.method == "PATCH" and len(leaf.path) > 1
        )

    @cached_property
    def states(self) -> frozenset[str]:
        """The verbs that bring a thing into a state this tool sets: `close` for a state `closed`."""
        options = (o for leaf in self.takes if self.action is Action.UPDATE for o in leaf.states)
        return frozenset(map(stem, options))

    @cached_property
    def quantities(self) -> tuple[ToolParameter, ...]:
        """The parameters that say how many of something are meant."""
        return tuple(leaf for leaf in self.takes if _counts(leaf))

    @cached_property
    def known(self) -> frozenset[str]:
        """What it is about, by its name and by its path."""
        return self.nouns | self.resource | self.kinds

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of its parameters, in lower case."""
        return frozenset(leaf.name.lower() for leaf in self.takes)

    @cached_property
    def identifiers(self) -> int:
        """How many identifiers it takes."""
        return sum(leaf.identifies for leaf in self.takes)

    @cached_property
    def labels(self) -> frozenset[str]:
        """The words its parameters are called by: said, they name a value and are none."""
        return frozenset(word for leaf in self.takes for word in leaf.particular)

    @cached_property
    def title(self) -> str:
        """The tool's title as a person would write it: `createOrder` is Create order."""
        given = self.tool.title.strip().rstrip(".")
        if not given or given == self.tool.name:
            given = " ".join(parts(self.tool.name)) or self.tool.name
        return given[:1].upper() + given[1:]

    def counted(self, quantity: ToolParameter) -> ToolParameter | None:
        """The identifier of what a quantity is of: the only one in the same object."""
        beside = [leaf for leaf in self.takes if leaf.identifies and leaf.path[:-1] == quantity.path[:-1]]
        return beside[0] if len(beside) == 1 else None

    def repeated(self, count: int) -> ToolProfile:
        """This sheet with so many elements in the lists whose elements have a quantity, at least one."""
        lists = {_list(leaf) for leaf in self.quantities} - {None}
        if count < 2 or not lists:
            return self
        plain = [leaf for leaf in self.takes if _list(leaf) not in lists]
        lines = [leaf for leaf in self.takes if _list(leaf) in lists]
        takes = (*plain, *(_element(leaf, number) for number in range(count) for leaf in lines))
        return msgspec.structs.replace(self, takes=takes)

    def owner(self, leaf: ToolParameter) -> frozenset[str]:
        """What a top-level parameter belongs to: `id` in /customers/{id}/orders is a customer's."""
        return _segment(self.tool.path, leaf.name) or self.resource

    def subject(self, leaf: ToolParameter) -> frozenset[str]:
        """What an identifier identifies: `customer_id` a customer, a bare `id` what it lies in."""
        if particular := leaf.words - GENERIC:
            return particular
        return next((owner for owner in leaf.owners if not owner & _WRAPPERS), self.owner(leaf))

    @property
    def harmless(self) -> bool:
        """Whether it only reads, by declaration and by name."""
        return self.tool.effect is Effect.READ and self.action is Action.READ

    @property
    def tool(self) -> Tool:
        """The tool itself."""
        return self.candidate.tool


@lru_cache(maxsize=4_096)
def _segment(path: str, name: str) -> frozenset[str]:
    """The words of the last plain segment before `{name}` in a path; none where there is no such."""
    before, found, _ = path.partition("{" + name + "}")
    segments = [segment for segment in before.split("/") if segment and "{" not in segment]
    return frozenset(stems(segments[-1])) if found and segments else frozenset()


def _counts(leaf: ToolParameter) -> bool:
    return leaf.type is Type.INTEGER and not leaf.array and bool(leaf.words & _QUANTITIES)


def _list(leaf: ToolParameter) -> Path | None:
    return leaf.path[: leaf.path.index(0)] if 0 in leaf.path else None


def _element(leaf: ToolParameter, number: int) -> ToolParameter:
    place = leaf.path.index(0)
    path = (*leaf.path[:place], number, *leaf.path[place + 1 :])
    return msgspec.structs.replace(leaf, path=path)


def read(candidate: Candidate) -> ToolProfile:
    """The sheet of a candidate."""
    tool = candidate.tool
    takes = taken(tool.parameters)
    return ToolProfile(
        candidate=candidate,
        terms=_terms(candidate, takes),
        nouns=_nouns(named(tool)) or _nouns(parts(tool.title)),
        resource=_resource(tool),
        action=of_tool(tool),
        takes=takes,
    )


def _terms(candidate: Candidate, takes: tuple[ToolParameter, ...]) -> dict[str, float]:
    tool = candidate.tool
    fields = {
        "name": content(tool.name),
        "title": content(tool.title),
        "tags": tuple(word for tag in (candidate.integration_name, *tool.tags) for word in content(tag)),
        "path": content(tool.path),
        "description": content(tool.description),
        "parameters": tuple(word for leaf in takes for word in leaf.words | leaf.about),
    }
    weights: Counter[str] = Counter()
    for field, found in fields.items():
        long = max(1.0, len(found) / _USUAL_LENGTH) ** 0.5
        for word, count in Counter(found).items():
            weights[word] += _FIELDS[field] * min(count, 2) / long
    return {word: weight / (weight + _SATURATION) for word, weight in weights.items()}


def named(tool: Tool) -> list[str]:
    """The words of a tool's name, without a tag in front of them (`orders_list-items` lists items, but
    `orders_list` orders) and without who asks (`for-authenticated-user`)."""
    name = _SPEAKER.sub("", tool.name)
    tagged = _TAGGED.fullmatch(name)
    tags = {word for tag in tool.tags for word in stems(tag)}
    rest = parts(tagged["rest"]) if tagged and tags.issuperset(stems(tagged["tag"])) else []
    if len(rest) == 1 and rest[0] in VERBS:
        return [*rest, *parts(name)[:-1]]
    if len(rest) > 1 and rest[0] in VERBS and rest[1] in SIDES:  # `reactions_delete-for-order`
        return [rest[0], *parts(tagged["tag"] if tagged else ""), *rest[1:]]
    return rest if len(rest) > 1 else parts(name)


def _nouns(named: list[str]) -> frozenset[str]:
    # The first verb of a name is its action; a later one (`find_order`) is a noun.
    if named and named[0] in VERBS and len(named) > 1:
        named = named[1:]
    return frozenset(stem(part) for part in named if part not in STOP | _WORDLESS)


def _resource(tool: Tool) -> frozenset[str]:
    segments = [
        s for s in tool.path.split("/") if s and "{" not in s and parts(s) and parts(s)[0] not in VERBS
    ]
    plain = [part for part in parts(segments[-1]) if part not in VERBS] if segments else []
    return frozenset(stem(part) for part in plain) or _nouns(named(tool))


# What stands before the name of which kind of thing.
_FORM: Final = re.compile(r"`(?P<before>[\w:.-]+[/:])<(?P<noun>[a-z]+)[ _-]name>`", re.IGNORECASE)
_SPOKEN: Final = 0.8  # what a kind of thing weighs in a tool that takes it in a form of its own
_TEXTS: Final = frozenset({Type.TEXT, Type.ID})

_Shared: TypeAlias = tuple[str, str, str]  # integration, name and description: parameters that are one


def informed(sheets: Sequence[ToolProfile]) -> Sequence[ToolProfile]:
    """The sheets, with the forms their parameters take: told by themselves, by their tool, or by another
    tool of the integration about a parameter of the same name that is described in the same words."""
    told = {_shared(sheet, leaf): forms for sheet in sheets for leaf, forms in _told(sheet)}
    return [_informed(sheet, told) for sheet in sheets] if told else sheets


def _told(sheet: ToolProfile) -> Iterator[tuple[ToolParameter, Mapping[str, str]]]:
    """What a tool tells of the forms its parameters take."""
    by_all = _forms(sheet.tool.description)
    for leaf in sheet.takes:
        named = by_all and re.search(rf"`[:{{]?{re.escape(leaf.name)}}}?`", sheet.tool.description)
        if leaf.type in _TEXTS and (forms := by_all if named else _forms(_description(leaf))):
            yield leaf, forms


def _forms(text: str) -> dict[str, str]:
    return {stem(form["noun"]): form["before"] for form in _FORM.finditer(text)} if "<" in text else {}


def _description(leaf: ToolParameter) -> str:
    return str(leaf.schema.get("description") or "")


def _shared(sheet: ToolProfile, leaf: ToolParameter) -> _Shared:
    return sheet.candidate.ref.integration_id, leaf.name, _description(leaf)


def _informed(sheet: ToolProfile, told: Mapping[_Shared, Mapping[str, str]]) -> ToolProfile:
    forms = {leaf.path: found for leaf in sheet.takes if (found := told.get(_shared(sheet, leaf)))}
    if not forms:
        return sheet
    # What has a form is written as text, whatever its name says.
    takes = tuple(
        replace(leaf, forms=forms[leaf.path], type=Type.TEXT) if leaf.path in forms else leaf
        for leaf in sheet.takes
    )
    # The kinds of what a tool deals with are other words for it: a branch is a reference.
    kinds = frozenset(noun for leaf in takes if leaf.words & sheet.resource for noun in leaf.forms)
    return replace(sheet, takes=takes, kinds=kinds, terms={**dict.fromkeys(kinds, _SPOKEN), **sheet.terms})
