"""HTML pages without scripts, with headers that forbid to frame, cache and index them."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import HTMLResponse, Response

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_TEMPLATES: Final = Path(__file__).parent / "templates"
# Characters that cannot be seen or change how others look: a page must show what is sent.
# Joiners stay, because scripts and emoji are written with them.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def add_page_headers(response: Response) -> Response:
    """The response, with the headers of every response at the path of a page."""
    response.headers.update(_headers())
    return response


def page(html: str, status: int = 200) -> Response:
    """A page as a response."""
    return add_page_headers(HTMLResponse(html, status))


def render_template(template: str, **context: Any) -> str:
    """A template of this package, filled in."""
    return _environment().get_template(template).render(context)


@cache
def _environment() -> Environment:
    # Imported late: most gateways never show a page, and every one of them starts.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["seen"] = _visible
    made.globals["style"] = Markup(_style())  # noqa: S704 (a file of this package)
    return made


def _visible(text: str) -> Markup:
    """The text, escaped, with U+XXXX in place of every character that cannot be seen."""
    from markupsafe import Markup, escape

    named = _UNSEEN.sub(_name_character, str(escape(text)))
    return Markup(named)  # noqa: S704 (escaped, and names hold only hex digits)


def _name_character(unseen: re.Match[str]) -> str:
    return f'<span class="unseen">U+{ord(unseen[0]):04X}</span>'


@cache
def _style() -> str:
    return (_TEMPLATES / "style.css").read_text()


@cache
def _headers() -> Mapping[str, str]:
    style = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
