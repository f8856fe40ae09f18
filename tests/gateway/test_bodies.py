"""What kinds of bodies are taken, how large and how slow they may be, and what becomes of what is in them."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2

from errands_server.ports import ResultBrief
from tests.contract.conftest import Serve
from tests.contract.plans import READ, steps
from tests.contract.target import Target
from tests.gateway.callers import RUN, asking, problem, reason
from tests.gateway.raw import send
from tests.scripted import ScriptedPlanner
from tests.service import PATIENCE, Service, serving

TAKEN = (
    "",
    "application/json",
    "application/json; charset=utf-8",
    "Application/JSON;charset=UTF-8",
    "application/merge-patch+json",
    "application/vnd.example.v1+json",
    "application/x-www-form-urlencoded",
)
REFUSED = ("text/plain", "application/xml", "multipart/form-data; boundary=a", "json", "+json/x", "a,b")


async def test_a_json_object_is_taken_under_every_name_people_send_it_under(service: Service) -> None:
    body = json.dumps(RUN).encode()
    for content_type in TAKEN:
        headers = [f"content-type: {content_type}"] if content_type else []
        answer = await send(service, "POST", "/v1/runs", *headers, f"content-length: {len(body)}", body=body)

        assert answer.status == 201, content_type
        assert answer.json()["runId"]


async def test_other_media_types_are_refused(service: Service) -> None:
    async with asking(service) as http:
        for content_type in REFUSED:
            headers = {"content-type": content_type}
            answer = await http.post("/v1/runs", content=json.dumps(RUN), headers=headers)

            assert reason(answer) == (415, "MEDIA_TYPE_UNSUPPORTED"), content_type


async def test_a_byte_order_mark_is_no_reason_to_refuse(service: Service) -> None:
    async with asking(service) as http:
        answer = await http.post("/v1/runs", content=b"\xef\xbb\xbf" + json.dumps(RUN).encode())

    assert answer.status_code == 201


async def test_a_body_that_may_be_left_out_may_be_left_out(service: Service) -> None:
    run = await service.create("do")
    async with asking(service) as http:
        for content in (b"", b" ", b"{}"):
            answer = await http.post(f"/v1/runs/{run.run_id}/stream-tickets", content=content)

            assert answer.status_code == 201


async def test_a_compressed_body_is_no_json(service: Service) -> None:
    async with asking(service, content_encoding="gzip") as http:
        answer = await http.post("/v1/runs", content=gzip.compress(json.dumps(RUN).encode()))

    assert reason(answer) == (400, "FIELD_INVALID")


async def test_a_body_of_a_megabyte_is_taken_and_one_byte_more_is_not(service: Service) -> None:
    text = json.dumps(RUN)
    async with asking(service) as http:
        largest = await http.post("/v1/runs", content=text + " " * ((1 << 20) - len(text)))
        larger = await http.post("/v1/runs", content=text + " " * ((1 << 20) - len(text) + 1))

    assert largest.status_code == 201
    assert reason(larger) == (413, "BODY_TOO_LARGE")
    assert "1048576 bytes" in problem(larger)["detail"]


async def test_a_body_that_is_far_too_large_is_refused_before_it_comes(service: Service) -> None:
    answer = await send(service, "POST", "/v1/runs", f"content-length: {1 << 40}", "expect: 100-continue")

    assert (answer.status, answer.json()["reason"]) == (413, "BODY_TOO_LARGE")
    assert answer.closed


async def test_a_caller_who_sends_everything_before_reading_learns_that_it_was_too_much(
    service: Service,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    async with asking(service) as http:
        for content in (b" " * 10_000_000, pieces()):
            answer = await http.post("/v1/runs", content=content)
            again = await http.get("/v1/runs")

            assert reason(answer) == (413, "BODY_TOO_LARGE")
            assert again.status_code == 200


async def test_a_body_without_end_ends(service: Service) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 1_000_000

    async with asking(service) as http:
        try:
            answer = await http.post("/v1/runs", content=endless())
        except httpx2.TransportError:
            return  # the connection was cut before the answer was read

    assert reason(answer) == (413, "BODY_TOO_LARGE")


async def test_a_body_that_does_not_come_is_waited_for_no_longer_than_a_request_may_take(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path / "data", request_limit=0.2) as service:
        answer = await send(service, "POST", "/v1/runs", "content-length: 10", body=b"{")

    assert (answer.status, answer.json()["reason"]) == (408, "BODY_TOO_SLOW")
    assert answer.closed


async def test_a_caller_who_leaves_in_the_middle_of_a_body_leaves_nothing_behind(service: Service) -> None:
    host, _, port = service.app.http_address.rpartition(":")
    head = f"POST /v1/runs HTTP/1.1\r\nhost: a\r\nx-api-key: {service.key}\r\ncontent-length: 1000\r\n\r\n"
    for _ in range(3):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(head.encode() + b'{"intent":')
        await writer.drain()
        writer.close()
    async with asking(service) as http:
        assert (await http.get("/v1/runs")).json() == []


async def test_several_requests_on_one_connection_are_answered_in_order(service: Service) -> None:
    host, _, port = service.app.http_address.rpartition(":")
    one = f"GET /v1/runs HTTP/1.1\r\nhost: a\r\nx-api-key: {service.key}\r\nx-request-id: %d\r\n\r\n"
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write("".join(one % number for number in range(5)).encode())
        for number in range(5):
            head = await reader.readuntil(b"\r\n\r\n[]")

            assert b"x-request-id: %d\r\n" % number in head
        writer.close()


HUGE = {
    "above 63 bits": 2**63,
    "above 64 bits": 2**64 + 1,
    "negative": -(2**63) - 1,
    "of 60 digits": 10**59 + 7,
}


async def test_whole_numbers_of_any_size_reach_the_plan_unchanged(serve: Serve) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"enum": list(HUGE.values())}, "é": {"const": 0.1}, "e": {"maximum": 1e300}},
    }
    wanted: list[Any] = []

    def conclude(brief: ResultBrief) -> Any:
        wanted.append(brief.schema)
        return {"a": HUGE["above 64 bits"]}

    async with serve(ScriptedPlanner(steps(READ), conclude=conclude)) as service, asking(service) as http:
        created = await http.post("/v1/runs", json={**RUN, "outputSchema": schema})
        await service.finished(created.json()["runId"])
        run = await http.get(f"/v1/runs/{created.json()['runId']}")

    assert wanted == [schema]
    assert f'"result":{{"a":{2**64 + 1}}}' in run.text


async def test_whole_numbers_of_any_size_in_a_description_reach_its_tools_unchanged(
    service: Service, target: Target
) -> None:
    document = json.loads(target.document())
    query = {"name": "n", "in": "query", "schema": {"type": "integer", "enum": list(HUGE.values())}}
    document["paths"]["/things"]["get"]["parameters"] = [query]
    async with asking(service) as http:
        for number, given in enumerate((document, json.dumps(document))):
            body = {"name": f"desk {number}", "openapi": {"document": given}, "internal": True}
            made = (await http.post("/v1/integrations", json=body)).json()
            tools = (await http.get(f"/v1/integrations/{made['id']}/tools")).json()["tools"]
            read = next(tool for tool in tools if tool["name"] == "readThings")

            assert read["parameters"]["properties"]["n"]["enum"] == list(HUGE.values())


async def test_a_large_description_is_taken_as_an_object(service: Service, target: Target) -> None:
    document = json.loads(target.document())
    document["info"]["description"] = "x" * (3 << 20)
    async with asking(service) as http:
        body = {"name": "desk", "openapi": {"document": document}, "internal": True}
        answer = await http.post("/v1/integrations", json=body)

    assert answer.status_code == 201
