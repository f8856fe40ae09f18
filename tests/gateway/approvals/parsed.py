"""Pages, read as browsers read them."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser

_VOID = {"meta", "input", "br", "img", "link", "hr", "path", "rect"}


class Page(HTMLParser):
    """Elements, texts and forms of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.styles: list[str] = []
        self._open: list[str] = []

    @classmethod
    def of(cls, html: str) -> Page:
        page = cls()
        page.feed(html)
        page.close()
        assert not page._open, f"not closed: {page._open}"
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.styles.append(data)
        elif self._open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """What is read, with its whitespace as in the source."""
        return "".join(self.texts)

    @property
    def words(self) -> str:
        """What is read, in one line; elements are words of their own."""
        return " ".join(" ".join(self.texts).split())

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    @property
    def hidden(self) -> dict[str, str]:
        """The fields that a form sends by itself."""
        return {
            found["name"]: found["value"]
            for tag, found in self.elements
            if tag == "input" and found.get("type") == "hidden"
        }

    @property
    def buttons(self) -> list[str]:
        """The decisions that can be pressed."""
        return [found["value"] for tag, found in self.elements if tag == "button"]

    @property
    def style_hash(self) -> str:
        """What a policy calls the page's one style."""
        (style,) = self.styles
        return f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}"
