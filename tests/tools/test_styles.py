"""Every parameter style, read back from what a server received by rules written down here anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errands_server.ports import CallSucceeded
from errands_server.tools.openapi.sender import OpenApiSender
from tests.tools.loopback import TLS, Received, call, http, operation, service, taking

# The values of OAS 3.1 §4.8.12.4, and what its table makes of them.
BLUE = "blue"
COLORS = ["blue", "black", "brown"]
SHADES = {"R": 100, "G": 200, "B": 150}
TABLE: list[tuple[str, str, bool, Any, str]] = [
    ("path", "simple", False, BLUE, "blue"),
    ("path", "simple", False, COLORS, "blue,black,brown"),
    ("path", "simple", False, SHADES, "R,100,G,200,B,150"),
    ("path", "simple", True, SHADES, "R=100,G=200,B=150"),
    ("path", "label", False, BLUE, ".blue"),
    ("path", "label", False, COLORS, ".blue,black,brown"),
    ("path", "label", True, COLORS, ".blue.black.brown"),
    ("path", "label", False, SHADES, ".R,100,G,200,B,150"),
    ("path", "label", True, SHADES, ".R=100.G=200.B=150"),
    ("path", "matrix", False, BLUE, ";c=blue"),
    ("path", "matrix", False, COLORS, ";c=blue,black,brown"),
    ("path", "matrix", True, COLORS, ";c=blue;c=black;c=brown"),
    ("path", "matrix", False, SHADES, ";c=R,100,G,200,B,150"),
    ("path", "matrix", True, SHADES, ";R=100;G=200;B=150"),
    ("path", "matrix", False, "", ";c"),
    ("query", "form", True, BLUE, "c=blue"),
    ("query", "form", True, "", "c="),
    ("query", "form", False, COLORS, "c=blue,black,brown"),
    ("query", "form", True, COLORS, "c=blue&c=black&c=brown"),
    ("query", "form", False, SHADES, "c=R,100,G,200,B,150"),
    ("query", "form", True, SHADES, "R=100&G=200&B=150"),
    ("query", "spaceDelimited", False, COLORS, "c=blue%20black%20brown"),
    ("query", "spaceDelimited", False, SHADES, "c=R%20100%20G%20200%20B%20150"),
    ("query", "pipeDelimited", False, COLORS, "c=blue%7Cblack%7Cbrown"),
    ("query", "pipeDelimited", False, SHADES, "c=R%7C100%7CG%7C200%7CB%7C150"),
    ("query", "deepObject", True, SHADES, "c%5BR%5D=100&c%5BG%5D=200&c%5BB%5D=150"),
    ("query", "deepObject", True, {"a": [{"b": 1}, 2]}, "c%5Ba%5D%5B0%5D%5Bb%5D=1&c%5Ba%5D%5B1%5D=2"),
    ("query", "deepObject", True, COLORS, "c%5B0%5D=blue&c%5B1%5D=black&c%5B2%5D=brown"),
    ("query", "form", True, [], ""),
    ("query", "form", False, [], ""),
    ("query", "form", True, None, ""),
    ("query", "form", True, {"a": None, "b": 1}, "b=1"),
    ("header", "simple", False, COLORS, "blue,black,brown"),
    ("header", "simple", False, SHADES, "R,100,G,200,B,150"),
    ("header", "simple", True, SHADES, "R=100,G=200,B=150"),
    ("cookie", "form", True, BLUE, "c=blue"),
    ("cookie", "form", False, COLORS, "c=blue,black,brown"),
    ("cookie", "form", False, SHADES, "c=R,100,G,200,B,150"),
]


async def sent(where: str, value: Any, **declared: Any) -> str:
    """What of a request carries a parameter `c`, as the server received it."""
    path = "/x/{c}" if where == "path" else "/x"
    async with service(http(200)) as found, OpenApiSender(tls=TLS) as sender:
        wanted = operation(found.origin, path=path, parameters=[taking("c", where, {}, **declared)])
        answer = await call(sender, wanted, {"c": value})

    assert isinstance(answer, CallSucceeded), answer
    (request,) = found.received
    return carried(where, request)


def carried(where: str, request: Received) -> str:
    url = urlsplit(request.target)
    return {
        "path": url.path.removeprefix("/v1/x/"),
        "query": url.query,
        "header": request.headers.get("c", ""),
        "cookie": request.headers.get("cookie", ""),
    }[where]


@pytest.mark.parametrize(("where", "style", "explode", "value", "text"), TABLE)
async def test_a_value_is_written_as_the_table_of_the_specification_says(where, style, explode, value, text):
    assert await sent(where, value, style=style, explode=explode) == text


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("query", 'c={"a":[1]}'),
        ("header", '{"a":[1]}'),
        ("path", '{"a":[1]}'),
        ("cookie", 'c={"a":[1]}'),
    ],
)
async def test_a_parameter_with_json_content_is_json_text(where, text):
    assert unquote(await sent(where, {"a": [1]}, content={"application/json": {}})) == text


async def test_a_parameter_with_text_content_is_that_text():
    assert await sent("query", "a b", content={"text/plain": {"schema": {"type": "string"}}}) == "c=a%20b"


async def test_allow_reserved_keeps_what_cannot_be_mistaken_for_another_pair():
    assert await sent("query", "a/b?c:d,e", allowReserved=True) == "c=a/b?c:d,e"
    assert await sent("query", "x&y=z#+%", allowReserved=True) == "c=x%26y%3Dz%23%2B%25"
    assert await sent("query", ["a,b", "c/d"], allowReserved=True, explode=False) == "c=a%2Cb,c/d"


async def test_a_cookie_joins_those_of_the_credential_and_cannot_end_itself():
    assert await sent("cookie", "a;b=c d") == "c=a%3Bb%3Dc%20d"


async def test_a_parameter_with_one_possible_value_is_sent_without_being_asked_for():
    only = {"type": "string", "enum": ["2016-11-15"]}
    parameters = [{"name": "Version", "in": "query", "required": True, "schema": only}]
    async with service(http(200)) as found, OpenApiSender(tls=TLS) as sender:
        wanted = operation(found.origin, path="/x#Action=A", parameters=parameters)
        await call(sender, wanted)

    assert wanted.tool.parameters["properties"] == {}
    assert found.received[0].target == "/v1/x?Version=2016-11-15"


async def test_a_query_that_stands_in_a_path_is_sent_with_the_rest():
    async with service(http(200)) as found, OpenApiSender(tls=TLS) as sender:
        parameters = [taking("id", "path", {}), taking("q", "query", {})]
        wanted = operation(found.origin, path="/x?type=a&id={id}", parameters=parameters)
        await call(sender, wanted, {"id": "../1&b", "q": 2})

    assert found.received[0].target == "/v1/x?type=a&id=..%2F1%26b&q=2"


# Back again: whatever the values hold, a server that goes by the specification reads the same.

# Left out: what a style itself cannot tell apart, and what is refused (`.` and `..` in a path).
WORDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
PLAIN = st.text(st.sampled_from("abc XYZ/?#&=,;|%+[]ü€"), min_size=1, max_size=8)
HEADER = st.text(st.sampled_from("abcXYZ/?#&=;|+[]"), min_size=1, max_size=8)


def without(character: str) -> st.SearchStrategy[str]:
    return WORDS.map(lambda word: word.replace(character, "_"))


def lists(items: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(items, min_size=1, max_size=4)


def objects(items: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(["a", "b c", "d&e", "ü"]), items, min_size=1, max_size=3)


Read = Callable[[str], Any]


def split(joint: str) -> Read:
    return lambda text: [unquote(item) for item in text.split(joint)]


def paired(read: Read) -> Read:
    def back(text: str) -> dict[str, str]:
        flat = read(text)
        return dict(zip(flat[::2], flat[1::2], strict=True))

    return back


def pairs(joint: str) -> Read:
    def back(text: str) -> dict[str, str]:
        found = (pair.partition("=") for pair in text.split(joint))
        return {unquote(name): unquote(value) for name, _, value in found}

    return back


def after(start: str, read: Read) -> Read:
    def back(text: str) -> Any:
        assert text.startswith(start)
        return read(text.removeprefix(start))

    return back


def query(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True, strict_parsing=True)


BACK: list[tuple[str, str, bool, st.SearchStrategy[Any], Read]] = [
    ("path", "simple", False, lists(without(".")), split(",")),
    ("path", "simple", False, objects(WORDS), paired(split(","))),
    ("path", "simple", True, objects(WORDS), pairs(",")),
    ("path", "label", False, lists(WORDS), after(".", split(","))),
    ("path", "label", True, lists(PLAIN), after(".", split("."))),  # a dot in an item would be one more
    ("path", "label", True, objects(PLAIN), after(".", pairs("."))),
    ("path", "matrix", False, lists(WORDS), after(";c=", split(","))),
    ("path", "matrix", True, lists(WORDS), after(";c=", split(";c="))),
    ("path", "matrix", True, objects(WORDS), after(";", pairs(";"))),
    ("query", "form", True, WORDS, lambda text: dict(query(text))["c"]),
    ("query", "form", True, lists(WORDS), lambda text: [value for _, value in query(text)]),
    ("query", "form", False, lists(WORDS), after("c=", split(","))),
    ("query", "form", True, objects(WORDS), lambda text: dict(query(text))),
    ("query", "form", False, objects(WORDS), after("c=", paired(split(",")))),
    ("query", "pipeDelimited", False, lists(without("|")), after("c=", split("%7C"))),
    ("query", "spaceDelimited", False, lists(without(" ")), after("c=", split("%20"))),
    ("query", "deepObject", True, objects(WORDS), lambda text: {k[2:-1]: v for k, v in query(text)}),
    ("header", "simple", False, lists(HEADER), lambda text: text.split(",")),
    ("header", "simple", True, st.dictionaries(st.sampled_from("ab"), HEADER, min_size=1), pairs(",")),
    ("cookie", "form", False, lists(WORDS), after("c=", split(","))),
]


@pytest.mark.parametrize(("where", "style", "explode", "values", "read"), BACK)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
async def test_what_a_server_reads_is_what_was_given(where, style, explode, values, read, data):
    value = data.draw(values)

    assert read(await sent(where, value, style=style, explode=explode)) == value
