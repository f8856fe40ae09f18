"""Bad input over HTTP: everything that is wrong, by the names the caller used, and nothing done."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from errands.v1 import approval_pb2, integration_pb2, key_pb2, run_pb2
from errands_gateway.v1.schemas.builders import SCOPES
from tests.contract.target import Target
from tests.databases import counts_of
from tests.gateway.callers import NOBODY, RUN, asking, errors, problem, reason
from tests.service import Service

STATUSES = "QUEUED, RUNNING, AUTH_REQUIRED, PAUSED, CANCELED, NO_SUCCESS, PARTIAL_SUCCESS, SUCCESS, FAILED"
SECRET = "s3cr3t-of-the-test"
RUNS, KEYS, INTEGRATIONS = "/v1/runs", "/v1/keys", "/v1/integrations"
DOCUMENT = {"document": {"openapi": "3.1.0"}}

# Path, body, and what is wrong with it, by field.
BODIES: list[tuple[str, Any, dict[str, str]]] = [
    (
        RUNS,
        {},
        {
            "intent": "is required",
            "selectedCustomerIntegrationIds": "is required",
            "context": "is required",
            "userId": "is required",
        },
    ),
    (
        RUNS,
        {
            "intent": " \n",
            "selectedCustomerIntegrationIds": 7,
            "context": None,
            "userId": "",
            "approvalStrategy": "ALWAYS",
            "repeatKey": "x" * 256,
            "outputSchema": "{}",
            "passThrough": {},
            "priority": 1,
        },
        {
            "intent": "must be more than white space",
            "selectedCustomerIntegrationIds": 'must be an array of ids or "*"',
            "context": "must be a string",
            "userId": "must not be empty",
            "approvalStrategy": "must be one of NONE, ON_TOOL_CALL, ON_START",
            "repeatKey": "must have at most 255 characters",
            "outputSchema": "must be an object",
            "passThrough": "must be an array",
            "priority": "is unknown",
        },
    ),
    (
        RUNS,
        {**RUN, "user_id": "ada", "intnet": "", "selected_customer_integration_ids": ["*"]},
        {
            "user_id": "is unknown; did you mean userId?",
            "intnet": "is unknown; did you mean intent?",
            "selected_customer_integration_ids": "is unknown; did you mean selectedCustomerIntegrationIds?",
        },
    ),
    (
        RUNS,
        {**RUN, "selectedCustomerIntegrationIds": []},
        {"selectedCustomerIntegrationIds": "must not be empty"},
    ),
    (
        RUNS,
        {**RUN, "selectedCustomerIntegrationIds": ["a"] * 101},
        {"selectedCustomerIntegrationIds": "must have at most 100 entries"},
    ),
    (
        RUNS,
        {**RUN, "selectedCustomerIntegrationIds": ["nobody_1", "", 3]},
        {
            "selectedCustomerIntegrationIds[1]": "must not be empty",
            "selectedCustomerIntegrationIds[2]": "must be a string",
        },
    ),
    (
        RUNS,
        {**RUN, "selectedCustomerIntegrationIds": ["nobody_1"], "outputSchema": {"type": "array"}},
        {
            "selectedCustomerIntegrationIds[0]": "'nobody_1' is no active integration of this tenant",
            "outputSchema": "must allow an object at its root, not only array",
        },
    ),
    (
        RUNS,
        {**RUN, "selectedCustomerIntegrationIds": ["*", "nobody_1"]},
        {"selectedCustomerIntegrationIds": '"*" stands alone: it means every active integration'},
    ),
    (
        RUNS,
        {**RUN, "selectedCustomerIntegrationIds": "nobody_1"},
        {"selectedCustomerIntegrationIds": 'must be an array of ids or "*"'},
    ),
    (RUNS, {**RUN, "intent": "a\0"}, {"intent": "must not contain a NUL character"}),
    (RUNS, {**RUN, "context": "x" * 65_537}, {"context": "must have at most 65536 characters"}),
    (
        RUNS,
        {
            **RUN,
            "passThrough": [
                {"customerIntegrationId": "nobody_1", "headers": {"Host": SECRET, "X-Key": f"{SECRET}\n"}},
                {"customerIntegrationId": "nobody_1"},
            ],
        },
        {
            "passThrough[0].headers.host": "cannot be passed through",
            "passThrough[0].headers.x-key": "must be 1 to 8192 printable ASCII characters",
            "passThrough[0].customerIntegrationId": "'nobody_1' is no integration of the selection",
            "passThrough[1]": "passes nothing through; give headers, query or values",
            "passThrough[1].customerIntegrationId": "'nobody_1' is there already",
        },
    ),
    (
        RUNS,
        {**RUN, "passThrough": [{"customerIntegrationId": "nobody_1", "query": {"k": SECRET}}] * 2},
        {
            "passThrough[0].customerIntegrationId": "'nobody_1' is no integration of the selection",
            "passThrough[1].customerIntegrationId": "'nobody_1' is there already",
        },
    ),
    (
        RUNS,
        {**RUN, "passThrough": [{"customerIntegrationId": "a", "headers": {"x-a": 1}, "query": []}]},
        {"passThrough[0].headers.x-a": "must be a string", "passThrough[0].query": "must be an object"},
    ),
    (
        RUNS,
        {
            **RUN,
            "passThrough": [
                {"customerIntegrationId": "a", "values": {"accessKeyId": SECRET, "sessionToken": SECRET}},
                {"values": {SECRET: 1}},
            ],
        },
        {
            "passThrough[0].values.secretAccessKey": "is required",
            "passThrough[1].customerIntegrationId": "is required",
            "passThrough[1].values": "must be AWS temporary credentials or an AWS role "
            "or an Okta service app",
        },
    ),
    (
        RUNS,
        {**RUN, "outputSchema": json.loads('{"properties":{"a":' * 40 + "{}" + "}}" * 40)},
        {"outputSchema": "is nested more than 32 levels deep"},
    ),
    (
        INTEGRATIONS,
        {"name": "", "openapi": {"url": "file:///etc/passwd"}, "auth": {"type": "bearer", "value": SECRET}},
        {
            "name": "must be more than white space",
            "openapi.url": "must be an http or https URL",
            "auth.token": "is required",
            "auth.value": "is unknown",
        },
    ),
    (
        INTEGRATIONS,
        {"name": "a", "openapi": {}, "auth": {"type": "digest", "token": SECRET}, "sharedCredential": "yes"},
        {
            "openapi": "must be {url} or {document}",
            "auth": "must be {type: bearer, token} or {type: apiKey, in, name, value} "
            "or {type: apiKeys, keys} or {type: basic, username, password}",
            "sharedCredential": "must be true or false",
        },
    ),
    (
        INTEGRATIONS,
        {"name": "a", "openapi": DOCUMENT, "auth": {"type": "bearer", "token": SECRET}},
        {
            "sharedCredential": "must be true with auth: it is one account for every user, and shown as such",
        },
    ),
    (
        INTEGRATIONS,
        {
            "name": "a",
            "openapi": DOCUMENT,
            "auth": {"type": "apiKey", "in": "body", "name": "a b", "value": f"{SECRET}\n"},
            "sharedCredential": True,
        },
        {
            "auth.in": "must be one of header, query, cookie",
            "auth.name": "must be a name without spaces or separators",
        },
    ),
    (INTEGRATIONS, {"name": "a"}, {"body": "must be {name, openapi} or {name, mcp}"}),
    (
        INTEGRATIONS,
        {"name": "a", "openapi": DOCUMENT, "mcp": {"url": "https://x.example/"}},
        {"body": "must be {name, openapi} or {name, mcp}"},
    ),
    (
        INTEGRATIONS,
        {"name": "a", "mcp": {"url": "file:///etc/passwd"}},
        {"mcp.url": "must be an http or https URL"},
    ),
    (
        INTEGRATIONS,
        {"name": "a", "mcp": {"server": "desk", "command": "sh"}},
        {"mcp.command": "is unknown"},
    ),
    (
        INTEGRATIONS,
        {"name": "a", "mcp": {"server": "desk"}, "baseUrl": "https://x.example/"},
        {"baseUrl": "goes only with openapi; mcp says where the server is"},
    ),
    (
        INTEGRATIONS,
        {"name": "a", "openapi": DOCUMENT, "sharedCredential": True},
        {"sharedCredential": "goes only with auth"},
    ),
    (
        KEYS,
        {"name": "a", "scopes": ["all"], "expiresAt": "tomorrow", "tenant": "No"},
        {
            "scopes[0]": f"must be one of {', '.join(SCOPES)}",
            "expiresAt": "must be a moment of RFC 3339, such as 2027-01-31T12:00:00Z",
            "tenant": "must be 1 to 63 of a-z, 0-9, - and _, not beginning with - or _",
        },
    ),
    (
        KEYS,
        {"name": "a", "scopes": ["admin"], "expiresAt": "2001-01-01T00:00:00Z"},
        {"expiresAt": "lies in the past"},
    ),
    *(
        (
            KEYS,
            {"name": "a", "scopes": ["admin"], "expiresAt": moment},
            {"expiresAt": "must be a moment of RFC 3339, such as 2027-01-31T12:00:00Z"},
        )
        for moment in (
            "2099-01-31",
            "2099-01-31T12:00:00",
            "20990131T120000Z",
            "2099-13-01T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "0001-01-01T00:00:00+01:00",
        )
    ),
    ("/v1/approvals", {"decisions": []}, {"decisions": "must not be empty"}),
    (
        "/v1/approvals",
        {
            "decisions": [
                {"approvalId": NOBODY, "decision": "retry"},
                {"decision": "deny", "reason": "x" * 1_001},
            ]
        },
        {
            "decisions[0].decision": "must be one of approve, deny",
            "decisions[1].approvalId": "is required",
            "decisions[1].reason": "must have at most 1000 characters",
        },
    ),
    (
        "/v1/approvals",
        {"decisions": [{"approvalId": NOBODY, "decision": "deny"}] * 2},
        {"decisions": "names an approval twice"},
    ),
    (
        f"/v1/approvals/{NOBODY}",
        {"decision": "approve", "output": {}},
        {"output": "goes only with done"},
    ),
    (
        f"/v1/runs/{NOBODY}/stream-tickets",
        {"includeToolCalls": 1},
        {"includeToolCalls": "must be true or false"},
    ),
]


async def test_everything_that_is_wrong_with_a_body_is_named_as_the_caller_named_it(
    service: Service, tmp_path: Path
) -> None:
    before = counts_of(tmp_path / "data")
    async with asking(service) as http:
        for path, body, expected in BODIES:
            answer = await http.post(path, json=body)

            assert reason(answer) == (400, "FIELD_INVALID"), body
            assert errors(answer) == expected
            assert all(f"{field}: {text}" in problem(answer)["detail"] for field, text in expected.items())
            assert SECRET not in answer.text
    assert counts_of(tmp_path / "data") == before


async def test_a_change_of_an_integration_is_checked_alike(service: Service) -> None:
    async with asking(service) as http:
        for body, expected in (
            (
                {"status": "DELETED", "internal": True},
                {"status": "must be one of ACTIVE, INACTIVE", "internal": "is unknown"},
            ),
            (
                {
                    "removeCredential": True,
                    "auth": {"type": "basic", "username": "a", "password": SECRET},
                    "sharedCredential": True,
                },
                {"removeCredential": "does not go with auth"},
            ),
        ):
            answer = await http.patch("/v1/integrations/nobody", json=body)

            assert errors(answer) == expected
            assert SECRET not in answer.text


# Bodies that are no object in JSON, the field named, and what is said about it, where that is ours.
BROKEN: list[tuple[bytes, str, str | None]] = [
    (b"", "body", "is missing; send a JSON object"),
    (b" \n", "body", "is missing; send a JSON object"),
    (b"[]", "body", "must be a JSON object"),
    (b"null", "body", "must be a JSON object"),
    (b'"a"', "body", "must be a JSON object"),
    (b"{", "body", "cannot be read as JSON: input data was truncated"),
    (b'{"intent":"a",}', "body", "cannot be read as JSON: trailing comma in object (byte 14)"),
    (b"{} {}", "body", "cannot be read as JSON: trailing characters (byte 4)"),
    (b"{'intent':'a'}", "body", "cannot be read as JSON: object keys must be strings (byte 1)"),
    (b"intent=a", "body", "cannot be read as JSON: invalid character (byte 0)"),
    (b'{"intent":NaN}', "body", "cannot be read as JSON: invalid character (byte 10)"),
    (b'{"intent":-Infinity}', "body", "cannot be read as JSON: invalid character (byte 11)"),
    (b'{"intent":1e999}', "body", "cannot be read as JSON: number out of range"),
    (b'{"intent":[{"a":1e999}]}', "body", "cannot be read as JSON: number out of range"),
    (b'{"intent":1' + b"0" * 5_000 + b"}", "body", "cannot be read as JSON: integer value out of range"),
    (b'{"intent":"\\ud800"}', "body", "cannot be read as JSON: input data was truncated"),
    (b'{"intent":"\\udc00 "}', "body", None),
    (b'{"intent":"\xff"}', "body", None),
    ('{"intent":"é"}'.encode("utf-16"), "body", None),
    (b"[" * 100_000, "body", "is nested too deeply"),
    (b'{"a":' * 2_000 + b"1" + b"}" * 2_000, "body", "is nested too deeply"),
    (b'{"intent":"a","intent":"b"}', "intent", "is given more than once in one object"),
    (b'{"outputSchema":{"a":{"b":1,"b":1}}}', "b", "is given more than once in one object"),
]


async def test_what_is_no_json_object_is_refused_as_the_body(service: Service) -> None:
    async with asking(service, content_type="application/json") as http:
        for body, field, message in BROKEN:
            answer = await http.post("/v1/runs", content=body)

            assert reason(answer) == (400, "FIELD_INVALID"), body[:40]
            assert list(errors(answer)) == [field]
            assert message is None or errors(answer)[field] == message


async def test_the_names_of_unknown_members_are_shortened_and_so_is_their_number(service: Service) -> None:
    async with asking(service) as http:
        long = await http.post("/v1/runs", json={**RUN, "x" * 100_000: 1})
        many = await http.post("/v1/runs", json={**RUN, **{f"member {n}": n for n in range(10_000)}})

    assert list(errors(long)) == ["x" * 100 + "…"]
    assert len(problem(many)["errors"]) == 100
    assert len(many.content) < 20_000


async def test_query_header_and_body_are_reported_together(service: Service) -> None:
    async with asking(service) as http:
        key = {"Idempotency-Key": "é".encode()}
        created = await http.post("/v1/runs", json={**RUN, "userId": 1}, headers=key)
        streamed = await http.get(f"/v1/runs/{NOBODY}/sse?includeToolCalls=x", headers={"Last-Event-ID": "x"})

    assert errors(created) == {
        "Idempotency-Key": "must be 1 to 255 printable ASCII characters",
        "userId": "must be a string",
    }
    assert errors(streamed) == {
        "includeToolCalls": "must be true, false, 1 or 0",
        "Last-Event-ID": "must be the sequence of an event",
    }


QUERIES = [
    (
        "/v1/runs?page=0&pageSize=101&status=OK&includeEvents=yes&userId=&customerIntegrationIds=",
        {
            "page": "must be at least 1",
            "pageSize": "must be at most 100",
            "status": f"must be one of {STATUSES}",
            "includeEvents": "must be true, false, 1 or 0",
            "userId": "must not be empty",
            "customerIntegrationIds": "must not be empty",
        },
    ),
    ("/v1/runs?page=1001", {"page": "must be at most 1000"}),
    ("/v1/runs?page=1.5", {"page": "must be a whole number"}),
    ("/v1/runs?page=", {"page": "must be a whole number"}),
    (f"/v1/runs?page={'9' * 30}", {"page": "must be a whole number"}),
    ("/v1/runs?page=%D9%A1", {"page": "must be a whole number"}),
    ("/v1/runs?page=1&page=1", {"page": "is given more than once"}),
    ("/v1/runs?status=SUCCESS&status=FAILED", {"status": "is given more than once"}),
    ("/v1/runs?includeEvents=TRUE", {"includeEvents": "must be true, false, 1 or 0"}),
    ("/v1/runs?includeEvents", {"includeEvents": "must be true, false, 1 or 0"}),
    (f"/v1/runs?userId={'x' * 256}", {"userId": "must have at most 255 characters"}),
    ("/v1/runs?userId=%FF", {"userId": "must be UTF-8"}),
    ("/v1/runs?userId=%ED%A0%80", {"userId": "must be UTF-8"}),
    ("/v1/runs?userId=%00", {"userId": "must not contain a NUL character"}),
    (
        "/v1/runs?customerIntegrationIds=a&customerIntegrationIds=%FF",
        {"customerIntegrationIds": "must be UTF-8"},
    ),
    (
        f"/v1/runs?{'&'.join(['customerIntegrationIds=a'] * 101)}",
        {"customerIntegrationIds": "has 101 entries; it must have 0 to 100"},
    ),
    ("/v1/runs?pageToken=x", {"pageToken": "is not a token this service gave; start from the first page"}),
    ("/v1/runs?pageToken=x&page=2", {"page": "does not go with pageToken"}),
    (
        "/v1/approvals?status=open&runId=",
        {"status": "must be one of pending, decided, expired, closed", "runId": "must not be empty"},
    ),
    ("/v1/integrations?pageSize=0&pageToken=é", {"pageSize": "must be at least 1"}),
    ("/v1/keys?pageToken=é", {"pageToken": "is not a token this service gave; start from the first page"}),
    (f"/v1/runs/{NOBODY}?includeEvents=2", {"includeEvents": "must be true, false, 1 or 0"}),
    (
        f"/v1/runs/{NOBODY}/events?after=-1&limit=0",
        {"after": "must be at least 0", "limit": "must be at least 1"},
    ),
    (f"/v1/runs/{NOBODY}/events?limit=1001", {"limit": "must be at most 1000"}),
    (f"/v1/runs/{NOBODY}/events?after={2**53}", {"after": f"must be at most {2**53 - 1}"}),
]


async def test_everything_that_is_wrong_with_a_query_is_named(service: Service) -> None:
    async with asking(service) as http:
        for path, expected in QUERIES:
            answer = await http.get(path)

            assert reason(answer) == (400, "FIELD_INVALID"), path
            assert errors(answer) == expected, path


async def test_unknown_query_parameters_are_none_of_its_business(service: Service) -> None:
    async with asking(service) as http:
        for query in ("limit=x", "%FF=%FF", "utm_source=mail&utm_source=mail", "userid=&=&&;", "[]=1"):
            answer = await http.get(f"/v1/runs?{query}")

            assert (answer.status_code, answer.json()) == (200, []), query


async def test_numbers_and_booleans_are_taken_in_every_spelling_of_their_own(service: Service) -> None:
    async with asking(service) as http:
        for query in (
            "page=1.0&pageSize=10.00",
            "includeEvents=1",
            "includeEvents=0",
            "includeEvents=true",
            "page=01",
        ):
            assert (await http.get(f"/v1/runs?{query}")).status_code == 200, query


async def test_a_user_may_be_called_anything_and_is_found_by_it(service: Service, shop_id: str) -> None:
    names = ["山田　太郎", "a&b=c +%", " Ada\u200b\n", "\ufeff", "\ufffd"]
    async with asking(service) as http:
        for name in names:
            created = await http.post(
                "/v1/runs", json={**RUN, "userId": name, "selectedCustomerIntegrationIds": [shop_id]}
            )
            found = await http.get(f"/v1/runs?userId={quote(name)}")
            raw = await http.get("/v1/runs", params={"userId": name})

            assert [run["runId"] for run in found.json()] == [created.json()["runId"]], name
            assert found.json()[0]["userId"] == name
            assert [run["runId"] for run in raw.json()] == [created.json()["runId"]], name


async def test_a_document_that_cannot_be_had_or_used_says_which_field_it_came_from(
    service: Service, target: Target
) -> None:
    async with asking(service) as http:
        for openapi, expected in (
            ({"url": f"https://ada:{SECRET}@example.com/"}, (400, "DOCUMENT_INVALID", "openapi.url")),
            ({"url": "http://127.0.0.1:1/"}, (403, "ADDRESS_FORBIDDEN", "openapi.url")),
            ({"document": "nonsense"}, (400, "DOCUMENT_INVALID", "openapi.document")),
            ({"document": {"openapi": "2.0"}}, (400, "DOCUMENT_INVALID", "openapi.document")),
        ):
            answer = await http.post("/v1/integrations", json={"name": "a", "openapi": openapi})

            assert (*reason(answer), *errors(answer)) == expected
            assert "openapi.url: openapi.url" not in answer.text
            assert SECRET not in answer.text
        closed = await http.post(
            "/v1/integrations",
            json={"name": "a", "openapi": {"url": "http://127.0.0.1:1/"}, "internal": True},
        )
        based = await http.post(
            "/v1/integrations",
            json={"name": "a", "openapi": {"document": target.document()}, "baseUrl": "desk"},
        )

    assert (*reason(closed), *errors(closed)) == (422, "DOCUMENT_UNREACHABLE", "openapi.url")
    assert (*reason(based), *errors(based)) == (400, "FIELD_INVALID", "baseUrl")


async def test_no_message_has_a_name_that_only_the_other_protocol_knows(service: Service) -> None:
    """Messages come from the server, which speaks in names of its own."""
    async with asking(service) as http:
        answers = [await http.post(path, json=body) for path, body, _ in BODIES]
        answers += [await http.get(path) for path, _ in QUERIES]
    proto = {
        field.name
        for module in (approval_pb2, integration_pb2, key_pb2, run_pb2)
        for message in module.DESCRIPTOR.message_types_by_name.values()
        for field in message.fields
        if "_" in field.name and field.name not in {"user_id", "selected_customer_integration_ids"}
    }
    for answer in answers:
        assert not [name for name in proto if re.search(rf"\b{name}\b", answer.text)]
        assert not re.search(r"(DECISION|STATUS|STRATEGY)_[A-Z]", answer.text)
