"""What a page shows: everything that is decided about, as it is, and nothing that could deceive."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import httpx2

from errands.v1 import run_pb2
from errands_server.domain.plan import Plan, Slot
from errands_server.ports import Brief
from tests.cli.command_line import API_KEY, Errands, environment
from tests.contract.conftest import Clock, Serve
from tests.contract.plans import READ, WRITE, step, steps
from tests.contract.target import Target
from tests.gateway.approvals.links import (
    DAY,
    JSON,
    ON_START,
    PATH,
    Asked,
    add_counter,
    asked,
    opened,
    pressed,
    somebody,
)
from tests.gateway.approvals.parsed import Page
from tests.service import Service

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "svg", "rect", "path", "main", "footer"),
    *("section", "form", "input", "button", "h1", "h2", "h3", "h4", "p", "span", "div", "em", "pre", "time"),
    *("ol", "li", "dl", "dt", "dd", "a"),
}
HOSTILE = "</script></style></textarea></pre><img src=x onerror=alert(1)><script>alert(1)</script>\"'&lt;"


async def page_of(service: Service, token: str) -> Page:
    async with somebody(service) as person:
        answer = await opened(person, token)
        assert answer.status_code == 200
        return Page.of(answer.text)


def writing(body: Any, tool: str = "writeThing") -> Any:
    return steps((tool, {"body": body}))


async def test_the_links_that_are_sent_open_the_page(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        found = await asked(service)
        pages = [await person.get(link.url) for link in found.approval.actions]

        assert [page.status_code for page in pages] == [200, 200]
        assert all(found.approval.text in Page.of(page.text).words for page in pages)


async def test_a_page_shows_what_is_asked_for_whom_and_until_when(serve: Serve, target: Target) -> None:
    async with serve(writing({"to": "anna@example.com", "lines": ["two\nlines", {"n": 1}]})) as service:
        found = await asked(service, user_id="anna")
        page = await page_of(service, found.approving)
        moment = datetime.fromtimestamp(found.approval.expires_at.seconds, UTC)

        assert page.words.startswith("Approve? · Errands")
        for shown in (
            "Approve this call?",
            found.approval.text,
            "On behalf of anna",
            f"Answer until {moment.day} {moment:%B %Y, %H:%M} UTC",
            "May change data",
            f"Service desk {target.url}",
            "Tool writeThing",
            "to anna@example.com",
            'lines [ "two\\nlines", { "n": 1 } ]',
            "This link asks you to approve.",
            found.run_id,
            found.approval.hash,
        ):
            assert shown in page.words, shown
        assert '[\n  "two\\nlines",\n  {\n    "n": 1\n  }\n]' in page.text
        assert ("time", {"datetime": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}) in page.elements
        assert page.buttons == ["approve", "deny"]


async def test_the_page_of_a_denying_link_only_denies(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service:
        page = await page_of(service, (await asked(service)).denying)

        assert "Deny this call?" in page.words
        assert "This link can only deny." in page.words
        assert page.buttons == ["deny"]


async def test_a_plan_says_in_words_where_arguments_come_from(serve: Serve) -> None:
    def make(brief: Brief) -> Plan:
        slots = [
            Slot(target=("body", "id"), step="s1", source=("rows", 0, "id")),
            Slot(target=("body", "deep", "all"), step="s1", source=()),
        ]
        write = step(brief, 2, "writeThing", {"body": {"n": 1, "deep": {"m": 2}}}, after=[1], slots=slots)
        return Plan(description="read, then write", steps=(step(brief, 1, *READ), write))

    async with serve(make) as service:
        page = await page_of(service, (await asked(service, strategy=ON_START)).approving)

        assert "Approve this plan?" in page.words
        assert "Carry out this plan? read, then write" in page.words
        assert "Call 1 of 2, step s1 readThings Only reads" in page.words
        assert "Call 2 of 2, step s2 writeThing May change data" in page.words
        assert "id from step s1: rows[0].id" in page.words
        assert 'deep { "m": 2, "all": from step s1 }' in page.words
        assert "$from" not in page.text


async def test_what_a_call_sends_is_never_taken_for_words_of_a_plan(serve: Serve) -> None:
    async with serve(writing({"a": {"$from": "s1: id"}, "b": "from step s1: id"})) as service:
        page = await page_of(service, (await asked(service)).approving)

        assert '"$from": "s1: id"' in page.text
        assert "em" not in page.tags


async def test_all_calls_of_an_approval_are_shown(serve: Serve) -> None:
    plan = steps(("writeThing", *({"body": {"n": n}} for n in range(40))))
    async with serve(plan) as service:
        page = await page_of(service, (await asked(service)).approving)

        assert "Approve these 40 calls?" in page.words
        for n in range(40):
            assert f"Call {n + 1} of 40 writeThing" in page.words
            assert f"n {n} " in page.words


async def test_a_shared_account_is_said_clearly(serve: Serve, target: Target) -> None:
    async with serve(writing({"amount": 5}, "payInvoice")) as service:
        await add_counter(service, target, {"payInvoice": "Pay an invoice"}, name="bank", shared=True)
        shared = await page_of(service, (await asked(service)).approving)
    async with serve(steps(WRITE), fresh=False) as service:
        own = await page_of(service, (await asked(service)).approving)

    assert "Shared account" in shared.words
    assert "the account that everybody shares at bank, not with an account of user-1" in shared.words
    assert "hared" not in own.words


async def test_values_are_shown_as_they_will_be_sent(serve: Serve) -> None:
    body = {
        "big": 12345678901234567890,
        "ratio": 0.1,
        "yes": True,
        "nothing": None,
        "empty": "",
        "none": {},
        "list": [],
        "spaces": "  two  spaces  ",
        "lines": "one\ntwo",
    }
    async with serve(writing(body)) as service:
        page = await page_of(service, (await asked(service)).approving)

        for shown in (
            "big 12345678901234567890",
            "ratio 0.1",
            "yes true",
            "nothing null",
            "empty empty text",
            "none {}",
            "list []",
        ):
            assert shown in page.words, shown
        assert {"  two  spaces  ", "one\ntwo"} <= set(page.texts)


async def test_large_arguments_are_shown_whole(serve: Serve) -> None:
    rows = [{"id": n, "name": f"row {n}"} for n in range(3_000)]
    text = "".join(f"line {n}\n" for n in range(3_000))
    async with serve(writing({"rows": rows, "text": text})) as service:
        page = await page_of(service, (await asked(service)).approving)
        block = next(found for found in page.texts if found.lstrip().startswith("[\n"))

        assert json.loads(block) == rows
        assert text in page.texts
        scrolled = [found for _, found in page.elements if "long" in found.get("class", "").split()]
        assert [found["tabindex"] for found in scrolled] == ["0", "0"]
        assert [found["aria-label"] for found in scrolled] == ["Value of rows", "Value of text"]
        assert f"{len(text):,} characters" in page.words


async def test_nothing_that_is_shown_becomes_markup(serve: Serve, target: Target) -> None:
    body = {HOSTILE: HOSTILE, "deep": {HOSTILE: [HOSTILE]}, "long": HOSTILE * 50}
    async with serve(writing(body, "evil")) as service:
        await add_counter(service, target, {"evil": HOSTILE}, name=HOSTILE[:100])
        found = await asked(service, intent=HOSTILE, user_id=HOSTILE)
        page = await page_of(service, found.approving)
        async with somebody(service) as person:
            pages = [
                page,
                Page.of((await pressed(person, await opened(person, found.approving), "deny")).text),
            ]

        for one in pages:
            assert one.tags <= TAGS
            assert not any(name.startswith("on") for _, found in one.elements for name in found)
            assert HOSTILE in one.texts
            assert json.dumps(HOSTILE) in one.text
            assert HOSTILE * 50 in one.texts
            assert f"On behalf of {HOSTILE}" in one.words


async def test_what_a_caller_sends_becomes_no_markup_in_an_error(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        number = "<script>alert(1)</script>"
        for answer in (
            await opened(person, HOSTILE, {"x-request-id": number}),
            await person.post(
                PATH,
                data={"token": "A", "decision": "deny", HOSTILE: ""},
                headers={"x-request-id": number},
            ),
        ):
            page = Page.of(answer.text)

            assert answer.status_code == 400
            assert page.tags <= TAGS
            assert number in page.words


async def test_characters_that_deceive_are_named(serve: Serve) -> None:
    body = {
        "file": "invoice\u202egpj.exe",
        "host\u200b": "a\u2066b\u0007",
        "persian": "\u0645\u06cc\u200c\u062e",
    }
    async with serve(writing(body)) as service:
        page = await page_of(service, (await asked(service)).approving)

        assert "invoiceU+202Egpj.exe" in page.text
        assert "hostU+200B" in page.text
        assert "aU+2066bU+0007" in page.text
        assert "\u0645\u06cc\u200c\u062e" in page.text
        assert not set("\u202e\u200b\u2066\u0007") & set(page.text)


async def test_a_page_does_not_tell_the_context(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        found = await asked(service, context='{"secret": "between-us"}')
        answers = [await opened(person, found.approving), await opened(person, found.denying)]
        answers.append(await pressed(person, answers[0], "deny"))
        answers.append(await opened(person, found.approving))
        answers.append(await opened(person, found.denying, JSON))

        for answer in answers:
            assert "between-us" not in answer.text


async def test_a_link_that_is_over_says_where_it_stands(serve: Serve, clock: Clock, target: Target) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        approved, denied, closed, expired = [await asked(service) for _ in range(4)]
        await opened(person, approved.approving, JSON)
        await opened(person, denied.denying, JSON)
        await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=closed.run_id))
        clock.moved += DAY
        for one, words in (
            (approved, ("Approved", "through a link")),
            (denied, ("Denied", "The run goes on without this step")),
            (closed, ("No longer needed", "cancelled or ended")),
            (expired, ("Out of time", "counts as denied")),
        ):
            for token in (one.approving, one.denying):
                page = await page_of(service, token)

                assert all(word in page.words for word in words), words
                assert "writeThing" in page.words
                assert not page.buttons
                assert not page.hidden


async def test_people_get_pages_for_errors_and_programs_get_problems(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service, somebody(service) as person:
        for answer, status in (
            (await opened(person, "A" * 60), 400),
            (await person.get(PATH), 400),
            (await person.put(PATH), 405),
            (await person.post(PATH, content=b"{}"), 415),
            (await person.post(PATH, data={"token": "x" * (70 << 10)}), 413),
        ):
            page = Page.of(answer.text)

            assert answer.status_code == status
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert page.tags <= TAGS
            assert answer.headers["x-request-id"] in page.words
        assert "This link does not work" in Page.of((await person.get(PATH)).text).words


async def every_answer(service: Service, found: Asked) -> list[httpx2.Response]:
    async with somebody(service) as person, somebody(service, JSON) as program:
        page = await opened(person, found.approving)
        return [
            page,
            await person.head(PATH, params={"token": found.approving}),
            await opened(person, "A" * 60),
            await opened(program, "A" * 60),
            await opened(program, found.approving, {"x-api-key": "none"}),
            await person.get(PATH),
            await person.delete(PATH),
            await program.delete(PATH),
            await person.post(PATH, data={"token": found.approving, "decision": "deny"}),
            await pressed(person, page, "approve"),
            await pressed(person, page, "deny"),
            await opened(person, found.denying),
            await opened(program, found.approving),
            await opened(program, found.denying),
        ]


async def test_every_answer_is_kept_from_frames_caches_and_scripts(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service:
        answers = await every_answer(service, await asked(service))

    assert {answer.status_code for answer in answers} == {200, 201, 400, 401, 405}
    for answer in answers:
        policy = dict(
            part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
        )
        style = policy.pop("style-src")

        assert policy == {
            "default-src": "'none'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-robots-tag"] == "noindex"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        if answer.text and answer.headers["content-type"].startswith("text/html"):
            page = Page.of(answer.text)
            assert style == f"'{page.style_hash}'"
            assert page.tags <= TAGS
            assert not any({"src", "style", "srcset"} & set(found) for _, found in page.elements)


async def test_a_page_holds_its_own_token_and_no_other(serve: Serve) -> None:
    async with serve(steps(WRITE)) as service:
        found = await asked(service)
        approving, denying = [await page_of(service, one) for one in (found.approving, found.denying)]

        assert (approving.hidden["token"], denying.hidden["token"]) == (found.approving, found.denying)
        assert found.denying not in str(approving.elements)
        assert found.approving not in str(denying.elements)


def test_a_gateway_starts_without_what_only_pages_need() -> None:
    code = "import sys, errands_gateway.app; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


def test_tokens_are_in_no_log(tmp_path: Any) -> None:
    secret = "SECRET" * 10
    env = environment(ERRANDS_API_KEY=API_KEY)
    flags = ("--data", str(tmp_path / "data"), "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")
    with Errands(env).started("serve", *flags, "--log-level", "debug") as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("errands: ready"):
                break
        base = lines[-1].split("http=")[1].split()[0]
        for headers in ({}, JSON, {"x-api-key": API_KEY}):
            with httpx2.Client(base_url=f"http://{base}", headers=headers) as client:
                client.get(PATH, params={"token": secret})
                client.head(PATH, params={"token": secret + "!"})
                client.post(PATH, data={"token": secret, "decision": "deny", "form": secret})
                client.post(PATH, content=secret)
                client.put(PATH, params={"token": secret})
        process.terminate()
        logged = "".join(process.stdout)

    assert logged.count(f'"path":"{PATH}"') == 15, logged
    assert secret not in logged
