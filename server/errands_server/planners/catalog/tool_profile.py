"""Tool profiles: what the planner knows of a tool, computed once per immutable revision."""

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
from .actions import PREPOSITIONS, VERBS, Action, action_of, action_of_tool, covers_all, deleted_nouns, verbs
from .parameters import ToolParameter, Type, input_parameters, output_parameters
from .tokens import GENERIC, STOP, content, lexicon, parts, stem, stemmed, stems

# The weight of a word by its field.
_FIELDS: Final = {"name": 3.0, "title": 2.0, "tags": 1.5, "path": 1.0, "description": 1.0, "parameters": 0.6}
_SATURATION: Final = 1.0
_USUAL_LENGTH: Final = 15  # words of a description; longer ones count for less, as in BM25
# Names under which lists are wrapped; they do not name the items.
_WRAPPERS: Final = stemmed(
    "data items item results result records record values entries list content response"
)
_QUANTITIES: Final = stemmed("quantity qty")
# The caller in names and titles of tools.
_SPEAKER: Final = re.compile(
    r"[-_ ]?(?:(?:for|by)[-_ ](?:the[-_ ])?)?(?:authenticated|current)[-_ ]user", re.IGNORECASE
)
_TAGGED: Final = re.compile(r"(?P<tag>[^_./]+)[_./](?P<rest>.+?)")
_WORDLESS: Final = lexicon("get api v data info information")


class ToolProfile(Struct, frozen=True, dict=True):
    """The words of a tool, its action, its inputs and its outputs."""

    candidate: Candidate
    terms: Mapping[str, float]  # stem to weight, 0..1
    nouns: frozenset[str]  # of its name
    resource: frozenset[str]  # the thing it acts on, for matching identifiers
    action: Action | None
    inputs: tuple[ToolParameter, ...]
    kinds: frozenset[str] = frozenset()  # other nouns for its resource

    @cached_property
    def outputs(self) -> tuple[ToolParameter, ...]:
        """The values of its output, as far as documented."""
        output = self.candidate.tool.output
        return output_parameters(output) if output else ()

    @cached_property
    def deleted_nouns(self) -> frozenset[str]:
        """The nouns of what it deletes, if it does."""
        found = deleted_nouns(self.tool, name_words(self.tool))
        return found | self.kinds if found & self.resource else found

    @cached_property
    def verbs(self) -> frozenset[str]:
        """The verb its title opens with, which may be its own."""
        return verbs(self.tool, name_words(self.tool)) - self.deleted_nouns

    @cached_property
    def covers_all(self) -> bool:
        """Whether it acts on all items at once."""
        return covers_all(self.tool)

    @cached_property
    def choices(self) -> frozenset[Action]:
        """The actions among its enumerations: `add`, `delete`."""
        options = (str(option).lower() for p in self.inputs for option in p.schema.get("enum") or ())
        return frozenset(action for option in options if (action := action_of([option])))

    @property
    def changeable(self) -> frozenset[Path]:
        """The parameters that a PATCH may change; without one of them it does nothing."""
        return frozenset(p.path for p in self.inputs if self.tool.method == "PATCH" and len(p.path) > 1)

    @cached_property
    def states(self) -> frozenset[str]:
        """The verbs for the states it can set: `close` for `closed`."""
        options = (o for parameter in self.inputs if self.action is Action.UPDATE for o in parameter.states)
        return frozenset(map(stem, options))

    @cached_property
    def quantities(self) -> tuple[ToolParameter, ...]:
        """The parameters for a number of things."""
        return tuple(parameter for parameter in self.inputs if _counts(parameter))

    @cached_property
    def subject_words(self) -> frozenset[str]:
        """The nouns of its name and of its path."""
        return self.nouns | self.resource | self.kinds

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of its parameters, in lower case."""
        return frozenset(parameter.name.lower() for parameter in self.inputs)

    @cached_property
    def identifiers(self) -> int:
        """How many identifiers it takes."""
        return sum(parameter.identifies for parameter in self.inputs)

    @cached_property
    def labels(self) -> frozenset[str]:
        """The words of its parameters' names: in a clause they name a value and are none."""
        return frozenset(word for parameter in self.inputs for word in parameter.particular)

    @cached_property
    def title(self) -> str:
        """Its title in plain words: `createOrder` is Create order."""
        title = self.tool.title.strip().rstrip(".")
        if not title or title == self.tool.name:
            title = " ".join(parts(self.tool.name)) or self.tool.name
        return title[:1].upper() + title[1:]

    def counted_identifier(self, quantity: ToolParameter) -> ToolParameter | None:
        """The identifier of the things a quantity counts: the only one in the same object."""
        beside = [p for p in self.inputs if p.identifies and p.path[:-1] == quantity.path[:-1]]
        return beside[0] if len(beside) == 1 else None

    def with_elements(self, count: int) -> ToolProfile:
        """This profile with `count` elements, at least one, in each list whose elements have a quantity."""
        lists = {_list(parameter) for parameter in self.quantities} - {None}
        if count < 2 or not lists:
            return self
        plain = [parameter for parameter in self.inputs if _list(parameter) not in lists]
        lines = [parameter for parameter in self.inputs if _list(parameter) in lists]
        inputs = (*plain, *(_element(parameter, number) for number in range(count) for parameter in lines))
        return msgspec.structs.replace(self, inputs=inputs)

    def owner(self, parameter: ToolParameter) -> frozenset[str]:
        """What a top-level parameter belongs to: `id` in /customers/{id}/orders is a customer's."""
        return _segment(self.tool.path, parameter.name) or self.resource

    def subject(self, parameter: ToolParameter) -> frozenset[str]:
        """What an identifier identifies: `customer_id` a customer, a bare `id` its parent."""
        if particular := parameter.words - GENERIC:
            return particular
        return next((owner for owner in parameter.owners if not owner & _WRAPPERS), self.owner(parameter))

    @property
    def only_reads(self) -> bool:
        """Whether it only reads, by its declared effect and by its action."""
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


def _counts(parameter: ToolParameter) -> bool:
    return parameter.type is Type.INTEGER and not parameter.array and bool(parameter.words & _QUANTITIES)


def _list(parameter: ToolParameter) -> Path | None:
    return parameter.path[: parameter.path.index(0)] if 0 in parameter.path else None


def _element(parameter: ToolParameter, number: int) -> ToolParameter:
    place = parameter.path.index(0)
    path = (*parameter.path[:place], number, *parameter.path[place + 1 :])
    return msgspec.structs.replace(parameter, path=path)


def build_profile(candidate: Candidate) -> ToolProfile:
    """Read a candidate into its profile."""
    tool = candidate.tool
    inputs = input_parameters(tool.parameters)
    return ToolProfile(
        candidate=candidate,
        terms=_terms(candidate, inputs),
        nouns=_nouns(name_words(tool)) or _nouns(parts(tool.title)),
        resource=_resource(tool),
        action=action_of_tool(tool),
        inputs=inputs,
    )


def _terms(candidate: Candidate, inputs: tuple[ToolParameter, ...]) -> dict[str, float]:
    tool = candidate.tool
    fields = {
        "name": content(tool.name),
        "title": content(tool.title),
        "tags": tuple(word for tag in (candidate.integration_name, *tool.tags) for word in content(tag)),
        "path": content(tool.path),
        "description": content(tool.description),
        "parameters": tuple(word for parameter in inputs for word in parameter.words | parameter.about),
    }
    weights: Counter[str] = Counter()
    for field, found in fields.items():
        long = max(1.0, len(found) / _USUAL_LENGTH) ** 0.5
        for word, count in Counter(found).items():
            weights[word] += _FIELDS[field] * min(count, 2) / long
    return {word: weight / (weight + _SATURATION) for word, weight in weights.items()}


def name_words(tool: Tool) -> list[str]:
    """The words of a tool's name, without a tag in front of them (`orders_list-items` lists items, but
    `orders_list` orders) and without who asks (`for-authenticated-user`)."""
    name = _SPEAKER.sub("", tool.name)
    tagged = _TAGGED.fullmatch(name)
    tags = {word for tag in tool.tags for word in stems(tag)}
    rest = parts(tagged["rest"]) if tagged and tags.issuperset(stems(tagged["tag"])) else []
    if len(rest) == 1 and rest[0] in VERBS:
        return [*rest, *parts(name)[:-1]]
    if len(rest) > 1 and rest[0] in VERBS and rest[1] in PREPOSITIONS:  # `reactions_delete-for-order`
        return [rest[0], *parts(tagged["tag"] if tagged else ""), *rest[1:]]
    return rest if len(rest) > 1 else parts(name)


def _nouns(name: list[str]) -> frozenset[str]:
    # The first verb of a name is its action; a later one (`find_order`) is a noun.
    if name and name[0] in VERBS and len(name) > 1:
        name = name[1:]
    return frozenset(stem(part) for part in name if part not in STOP | _WORDLESS)


def _resource(tool: Tool) -> frozenset[str]:
    segments = [
        s for s in tool.path.split("/") if s and "{" not in s and parts(s) and parts(s)[0] not in VERBS
    ]
    plain = [part for part in parts(segments[-1]) if part not in VERBS] if segments else []
    return frozenset(stem(part) for part in plain) or _nouns(name_words(tool))


# A prefix for each kind of thing in a description: `heads/<branch-name>`.
_FORM: Final = re.compile(r"`(?P<before>[\w:.-]+[/:])<(?P<noun>[a-z]+)[ _-]name>`", re.IGNORECASE)
_SPOKEN: Final = 0.8  # weight of a kind as a term of the tool
_TEXTS: Final = frozenset({Type.TEXT, Type.ID})

_Shared: TypeAlias = tuple[str, str, str]  # integration, name and description: equal parameters


def add_forms(profiles: Sequence[ToolProfile]) -> Sequence[ToolProfile]:
    """Add the documented forms of parameters to the profiles: from the parameter, from its tool, or from
    a parameter of the same integration with the same name and description."""
    forms_by = {_shared(profile, p): forms for profile in profiles for p, forms in _documented_forms(profile)}
    return [_with_forms(profile, forms_by) for profile in profiles] if forms_by else profiles


def _documented_forms(profile: ToolProfile) -> Iterator[tuple[ToolParameter, Mapping[str, str]]]:
    """Yield the parameters of a tool with their documented forms."""
    by_all = _forms(profile.tool.description)
    for parameter in profile.inputs:
        is_named = by_all and re.search(rf"`[:{{]?{re.escape(parameter.name)}}}?`", profile.tool.description)
        if parameter.type in _TEXTS and (forms := by_all if is_named else _forms(_description(parameter))):
            yield parameter, forms


def _forms(text: str) -> dict[str, str]:
    return {stem(form["noun"]): form["before"] for form in _FORM.finditer(text)} if "<" in text else {}


def _description(parameter: ToolParameter) -> str:
    return str(parameter.schema.get("description") or "")


def _shared(profile: ToolProfile, parameter: ToolParameter) -> _Shared:
    return profile.candidate.ref.integration_id, parameter.name, _description(parameter)


def _with_forms(profile: ToolProfile, forms_by: Mapping[_Shared, Mapping[str, str]]) -> ToolProfile:
    forms = {p.path: found for p in profile.inputs if (found := forms_by.get(_shared(profile, p)))}
    if not forms:
        return profile
    # A parameter with a form is text, whatever its name suggests.
    inputs = tuple(
        replace(p, forms=forms[p.path], type=Type.TEXT) if p.path in forms else p for p in profile.inputs
    )
    # The kinds of a resource are other nouns for it: a branch is a reference.
    kinds = frozenset(noun for p in inputs if p.words & profile.resource for noun in p.forms)
    return replace(
        profile, inputs=inputs, kinds=kinds, terms={**dict.fromkeys(kinds, _SPOKEN), **profile.terms}
    )
