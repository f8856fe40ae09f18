"""Dates and times in a sentence, absolute or relative to a given moment."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Final

from msgspec import Struct

_MONTHS: Final = {name.lower(): n for n, name in enumerate(calendar.month_name) if name}
_MONTHS_SHORT: Final = {name.lower(): n for n, name in enumerate(calendar.month_abbr) if name}
_DAYS: Final = {name.lower(): n for n, name in enumerate(calendar.day_name)}
_RELATIVE: Final = {"today": 0, "tonight": 0, "tomorrow": 1, "yesterday": -1}

_MONTH: Final = "(?P<month>" + "|".join([*_MONTHS, *_MONTHS_SHORT]) + r")\.?"
_DAY: Final = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR: Final = r"(?:\s*,?\s*(?P<year>\d{4}))?"


def _forms(*forms: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rf"\b{form}\b", re.IGNORECASE) for form in forms)


_DIGIT: Final = re.compile(r"\d")
_FIGURES: Final = _forms(
    r"(?P<iso>\d{4}([-/.])\d{1,2}\2\d{1,2})"
    r"(?:[T ](?P<clock>\d{2}:\d{2}(?::\d{2})?)(?P<zone>Z|[+-]\d{2}:?\d{2})?)?",
    rf"{_MONTH}\s*{_DAY}{_YEAR}",
    rf"{_DAY}\s+(?:of\s+)?{_MONTH}{_YEAR}",
    r"in\s+(?P<count>\d{1,3})\s+(?P<unit>day|week)s?",
)
_SPOKEN: Final = _forms(
    rf"(?P<relative>{'|'.join(_RELATIVE)})",
    rf"(?:next\s+|on\s+|this\s+)(?P<weekday>{'|'.join(_DAYS)})",
)
_TELLING: Final = ("day", "tonight", "tomorrow")  # every date without digits has one of these
_CLOCK: Final = re.compile(
    r",?\s+(?:at\s+)?(?:(?P<noon>noon)|(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s*(?P<half>am|pm)?)\b",
    re.IGNORECASE,
)


class Moment(Struct, frozen=True):
    """A date in a sentence, with its range; a point in time if `at` is set."""

    start: int
    end: int
    day: date
    at: datetime | None = None


def find_moments(text: str, now: datetime) -> Iterator[Moment]:
    """Yield the dates in `text`, which may overlap. Relative ones count from `now`, in its timezone."""
    lowered = text.lower()
    figures = _FIGURES if _DIGIT.search(text) else ()
    spoken = _SPOKEN if any(word in lowered for word in _TELLING) else ()
    matches = [match for form in (*figures, *spoken) for match in form.finditer(text)]
    year = _year(matches)
    for match in matches:
        day = _day(match.groupdict(), now.date(), year)
        if day is not None:
            yield _with_clock(text, match, day, now)


def _year(matches: Iterable[re.Match[str]]) -> str | None:
    """The year for dates without one, where the others agree: `from 3 May to 5 May 2023`."""
    found = [match.groupdict() for match in matches]
    years = {(one.get("iso") or one.get("year") or "")[:4] for one in found} - {""}
    return years.pop() if len(years) == 1 else None


def _day(found: dict[str, str | None], today: date, usual: str | None) -> date | None:
    try:
        if iso := found.get("iso"):
            year, month, day = map(int, re.split("[-/.]", iso))
            return date(year, month, day)
        if name := found.get("month"):
            return _calendar_day(name.lower(), int(found["day"] or 0), found["year"] or usual, today)
        return _relative_day(found, today)
    except (
        ValueError,
        OverflowError,
        KeyError,
    ):  # no such day; a pattern also matches the long s, which is in no table
        return None


def _calendar_day(month: str, day: int, year: str | None, today: date) -> date:
    number = _MONTHS.get(month) or _MONTHS_SHORT[month]
    if year:
        return date(int(year), number, day)
    this_year = date(today.year, number, day)
    return this_year if this_year >= today else date(today.year + 1, number, day)


def _relative_day(found: dict[str, str | None], today: date) -> date:
    if relative := found.get("relative"):
        return today + timedelta(days=_RELATIVE[relative.lower()])
    if weekday := found.get("weekday"):
        ahead = (_DAYS[weekday.lower()] - today.weekday() - 1) % 7 + 1
        return today + timedelta(days=ahead)
    days = int(found["count"] or 0) * (7 if (found["unit"] or "").lower() == "week" else 1)
    return today + timedelta(days=days)


def _with_clock(text: str, match: re.Match[str], day: date, now: datetime) -> Moment:
    found = match.groupdict()
    if found.get("clock"):
        return Moment(match.start(), match.end(), day, _exact(day, found, now))
    clock = _CLOCK.match(text, match.end())
    # A bare number behind a date is a time only with a colon, am/pm, or "at" before it.
    if clock is None or not re.search(r"at\s|:|[ap]m|noon", clock.group(), re.IGNORECASE):
        return Moment(match.start(), match.end(), day)
    spoken = _time(clock)
    if spoken is None:
        return Moment(match.start(), match.end(), day)
    return Moment(match.start(), clock.end(), day, datetime.combine(day, spoken, now.tzinfo))


def _exact(day: date, found: dict[str, str | None], now: datetime) -> datetime | None:
    zone = (found["zone"] or "").replace("Z", "+00:00").replace("z", "+00:00")
    try:
        at = datetime.fromisoformat(f"{day}T{found['clock']}{zone}")
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=now.tzinfo)


def _time(clock: re.Match[str]) -> time | None:
    if "noon" in clock.groupdict() and clock["noon"]:
        return time(12)
    hour, half = int(clock["hour"]), (clock["half"] or "").lower()
    if half and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half == "pm" else 0)
    minute = int(clock["minute"] or 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


_HOURS: Final = re.compile(
    r"(?<![\w:.])(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?(?:\s?(?P<half>[ap]m))?(?![\w:]|\.\d)", re.IGNORECASE
)


def find_hours(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield times of day without a date, with start and end: `3pm` unchanged, `5:30 pm` as 17:30."""
    for match in _HOURS.finditer(text):
        spoken = _time(match) if match["minute"] or match["half"] else None
        if spoken is not None:
            value = spoken.strftime("%H:%M") if match["minute"] else match.group()
            yield value, match.start(), match.end()


_PARTS: Final = {"y": "%Y", "m": "%m", "d": "%d"}
_PART: Final = "(?:y{3,4}|year|mm|month|dd|day)"
_PATTERN: Final = re.compile(
    rf"\b(?P<date>{_PART}([-/.]){_PART}\2{_PART})(?P<clock>(?:T|,?\s)HH:MM(?::SS)?)?", re.IGNORECASE
)


def date_pattern(description: str) -> tuple[bool, bool]:
    """Whether a description has a date pattern (YYYY-MM-DD), and whether that has a time of day."""
    pattern = _PATTERN.search(description)
    return pattern is not None, pattern is not None and pattern["clock"] is not None


def format_date(day: str, description: str, *, timed: bool) -> str:
    """Format an ISO date or time by the pattern in a description: `in the format MM/DD/YYYY`."""
    pattern = _PATTERN.search(description)
    if pattern is None:
        return day if timed else day[:10]
    date_form = re.sub("[a-z]+", lambda part: _PARTS[part.group()[0]], pattern["date"].lower())
    moment = datetime.fromisoformat(day)
    clock = pattern["clock"] or ""
    if not clock or len(day) == len("2025-01-31"):
        return moment.strftime(date_form)
    seconds = ":%S" if clock.count(":") > 1 else ""
    return moment.strftime(f"{date_form}{clock[0]}%H:%M{seconds}")
