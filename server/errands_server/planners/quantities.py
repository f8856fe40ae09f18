"""Quantities: what a unit measures, and which words speak of such things."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .words import stemmed

# What is measured, with its units. A word may stand in several lines.
_MEASURED: Final = """
mass weight amount: kg kilo kilogram g gram mg lb pound oz ounce ton tonne
length distance height width depth radius diameter side thickness altitude elevation: m meter metre km
    kilometer kilometre cm centimeter mm millimeter mile ft foot feet inch yard
area: acre hectare sqft
volume capacity amount: l liter litre ml gallon cup teaspoon tablespoon
time duration period age: second minute hour day night week month year decade century
temperature: °c °f celsius fahrenheit kelvin degree
angle latitude longitude: degree radian
speed velocity: mph kph kmh knot
money price cost investment principal budget fee salary income payment revenue balance deposit debt amount
    loan: $ € £ dollar euro usd eur gbp cent
share percent percentage interest yield probability: %
charge: coulomb
voltage: volt v
current: ampere amp
resistance: ohm
power: watt kw w
energy work: joule kwh j
force: newton
pressure: pascal atm atmosphere bar
frequency: hz khz mhz hertz
tempo: bpm
"""


def _lines() -> list[tuple[frozenset[str], frozenset[str]]]:
    entries = _MEASURED.strip().replace("\n    ", " ").splitlines()
    sides = (map(stemmed, entry.split(":")) for entry in entries)
    return [(names, units) for names, units in sides]


_LINES: Final = _lines()


def measures(unit: str) -> frozenset[int]:
    """The quantities a unit measures."""
    return _BY_UNIT.get(unit, frozenset())


def _index(side: int, shortest: int = 1) -> dict[str, frozenset[int]]:
    found: dict[str, frozenset[int]] = {}
    for number, line in enumerate(_LINES):
        for word in line[side]:
            if len(word) >= shortest:
                found[word] = found.get(word, frozenset()) | {number}
    return found


_BY_UNIT: Final = _index(1)
# Short units stand for too much else to tell what a parameter is of.
_BY_NAME: Final = {**_index(1, shortest=3), **_index(0)}


def named(words: Iterable[str]) -> frozenset[int]:
    """The quantities these words speak of: by their own name, or by a unit's."""
    return frozenset[int]().union(*(_BY_NAME.get(word, frozenset()) for word in words))
