"""A small plot as SVG: each line against its own largest value, over a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

_WIDTH, _HEIGHT, _EDGE = 460, 200, 30
_COLOURS: Final = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")


class Line(Struct, frozen=True):
    name: str
    points: Sequence[tuple[float, float]]


def plot(what: str, lines: Sequence[Line]) -> str:
    """A picture of how each line grows; its largest value stands in the legend."""
    sizes = [size for size, _ in lines[0].points]
    height = _HEIGHT + 18 * len(lines)
    floor = _HEIGHT - _EDGE
    middle = _WIDTH // 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"'
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<line x1="{_EDGE}" y1="{floor}" x2="{_WIDTH - _EDGE}" y2="{floor}" stroke="#888"/>',
    ]
    parts += [
        f'<text x="{_across(size, sizes):.0f}" y="{_HEIGHT - 14}" text-anchor="middle">{size:,.0f}</text>'
        for size in sizes
    ]
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 2}" text-anchor="middle" fill="#666">{what}</text>')
    for number, line in enumerate(lines):
        parts += _drawn(line, sizes, _COLOURS[number % len(_COLOURS)], _HEIGHT + 12 + 18 * number)
    return "\n".join([*parts, "</svg>", ""])


def _drawn(line: Line, sizes: Sequence[float], colour: str, legend: int) -> list[str]:
    most = max(value for _, value in line.points) or 1
    places = [(_across(size, sizes), _up(value / most)) for size, value in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    label = f'<text x="{_EDGE}" y="{legend}" fill="{colour}">{line.name}, at most {most:,.2f}</text>'
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots, label]


def _across(size: float, sizes: Sequence[float]) -> float:
    low, high = math.log(max(sizes[0], 1)), math.log(max(sizes[-1], 2))
    share = (math.log(max(size, 1)) - low) / ((high - low) or 1)
    return _EDGE + share * (_WIDTH - 2 * _EDGE)


def _up(share: float) -> float:
    return _HEIGHT - _EDGE - share * (_HEIGHT - 2 * _EDGE)
