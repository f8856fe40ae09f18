"""Who asks over HTTP: keys in either header, scopes, and tenants that see nothing of each other."""

from __future__ import annotations

from typing import Any

from tests.contract.conftest import Serve
from tests.contract.plans import WRITE, chain
from tests.gateway.callers import NOBODY, RUN, asking, problem, reason
from tests.gateway.raw import send
from tests.service import OPERATOR, Service

MISSING, INVALID = (401, "CREDENTIALS_MISSING"), (401, "CREDENTIALS_INVALID")


GOOD = [
    [f"x-api-key: {OPERATOR}"],
    [f"X-API-KEY:   {OPERATOR}  "],
    [f"authorization: Bearer {OPERATOR}"],
    [f"Authorization: bearer {OPERATOR}"],
    [f"x-api-key: {OPERATOR}", f"authorization: Bearer {OPERATOR}"],
    [f"x-api-key: {OPERATOR}", f"x-api-key: {OPERATOR}"],
]


async def test_a_key_is_taken_in_either_header_and_in_both(service: Service) -> None:
    for headers in GOOD:
        answer = await send(service, "GET", "/v1/runs", *headers, keyed=False)

        assert answer.status == 200, headers


BAD: list[tuple[list[str], tuple[int, str]]] = [
    ([], MISSING),
    (["authorization: Basic YTpi"], MISSING),
    (["authorization: "], MISSING),
    (["x-api-key: "], INVALID),
    (["x-api-key: wrong"], INVALID),
    (["authorization: Bearer wrong"], INVALID),
    ([f"x-api-key: {OPERATOR}", "authorization: Bearer wrong"], INVALID),
    (["x-api-key: wrong", f"authorization: Bearer {OPERATOR}"], INVALID),
    ([f"x-api-key: {OPERATOR}", "x-api-key: wrong"], INVALID),
    ([f"x-api-key: {OPERATOR}é"], INVALID),
    (["authorization: Bearer \x80"], INVALID),
    ([f"x-api-key: {OPERATOR}\t{OPERATOR}"], INVALID),
    ([f"x-api-key: {'x' * 1_025}"], INVALID),
    ([f"x-api-key: {'x' * 60_000}"], INVALID),
    ([f"x-api-key: {'x' * 1_000}{number}" for number in range(40)], INVALID),
]


async def test_what_is_no_good_key_is_401_and_says_how_to_send_one(service: Service) -> None:
    for headers, expected in BAD:
        answer = await send(service, "GET", "/v1/runs", *headers, keyed=False)

        assert (answer.status, answer.json()["reason"]) == expected, headers
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "xxx" not in answer.json()["detail"]
        assert OPERATOR not in answer.json()["detail"]


async def test_who_sends_no_key_learns_nothing_else(service: Service) -> None:
    for method, path, *headers in (
        ("GET", "/v1/runs?page=x"),
        ("POST", "/v1/runs", "content-length: 99999999999"),
        ("POST", "/v1/runs", "content-type: text/plain", "content-length: 0"),
        ("GET", f"/v1/runs/{NOBODY}/sse?includeToolCalls=x&ticket="),
        ("DELETE", "/v1/keys/a"),
    ):
        answer = await send(service, method, path, *headers, keyed=False)

        assert answer.json()["reason"] in {"CREDENTIALS_MISSING", "FIELD_INVALID"}
        # A ticket is another way in, so streams are checked first.
        assert (answer.status == 401) != ("ticket" in path), path


async def test_a_scope_that_is_missing_is_named(service: Service) -> None:
    reader = await service.with_scopes("runs:read")
    async with asking(reader) as http:
        answer = await http.post("/v1/runs", json=RUN)

    assert reason(answer) == (403, "SCOPE_MISSING")
    assert "runs:write" in problem(answer)["detail"]


async def test_what_belongs_to_strangers_is_what_does_not_exist(serve: Serve) -> None:
    async with serve(chain(WRITE)) as service:
        stranger = await service.stranger()
        created = await service.create("do", approval_strategy=3)
        event = await service.until(created.run_id, "approval_required")
        run, plan, approval = created.run_id, created.execution_plan_id, event.approval_required.approval_id
        async with asking(service) as mine, asking(stranger, x_request_id="same") as http:
            integration = (await mine.get("/v1/integrations")).json()["integrations"][0]["id"]
            key = (await mine.post("/v1/keys", json={"name": "a", "scopes": ["runs:read"]})).json()
            auth = {"type": "bearer", "token": "t"}
            body = {"integrationId": integration, "userId": "ada", "auth": auth}
            connection = (await mine.post("/v1/connections", json=body)).json()["id"]
            for name, missing, asked in (
                (
                    run,
                    NOBODY,
                    [("GET", "/v1/runs/{}"), ("DELETE", "/v1/runs/{}"), ("GET", "/v1/runs/{}/sse")],
                ),
                (run, NOBODY, [("GET", "/v1/runs/{}/events"), ("HEAD", "/v1/runs/{}/sse")]),
                (run, NOBODY, [("POST", "/v1/runs/{}/stream-tickets"), ("GET", "/v1/approvals?runId={}")]),
                (plan, NOBODY, [("GET", "/v1/execution-plans/{}")]),
                (approval, NOBODY, [("POST", "/v1/approvals/{}"), ("POST", "/v1/approvals")]),
                (
                    integration,
                    "desk_aaaaaaaa",
                    [(m, "/v1/integrations/{}") for m in ("GET", "PATCH", "DELETE")],
                ),
                (integration, "desk_aaaaaaaa", [("GET", "/v1/integrations/{}/tools"), ("POST", "/v1/runs")]),
                (key["id"], NOBODY, [("DELETE", "/v1/keys/{}")]),
                (connection, NOBODY, [("GET", "/v1/connections/{}"), ("DELETE", "/v1/connections/{}")]),
                (
                    integration,
                    "desk_aaaaaaaa",
                    [("POST", "/v1/connections"), ("POST", "/v1/connections/links")],
                ),
            ):
                for method, path in asked:
                    foreign = await _asked(http, method, path, name)
                    absent = await _asked(http, method, path, missing)

                    assert foreign == absent, (method, path)
            # Nothing happened to what the stranger named.
            still = (await mine.get(f"/v1/runs/{run}")).json()
            assert [one["approvalId"] for one in still["pendingApprovals"]] == [approval]
            assert (await mine.get(f"/v1/integrations/{integration}")).status_code == 200
            assert (await mine.get(f"/v1/connections/{connection}")).status_code == 200
            assert (await mine.get("/v1/runs", headers={"x-api-key": key["secret"]})).status_code == 200


async def _asked(http: Any, method: str, path: str, name: str) -> Any:
    """What an answer says, without the name it was asked for."""
    bodies = {
        "/v1/approvals": {"decisions": [{"approvalId": name, "decision": "approve"}]},
        "/v1/approvals/{}": {"decision": "approve"},
        "/v1/connections": {
            "integrationId": name,
            "userId": "ada",
            "auth": {"type": "bearer", "token": "t"},
        },
        "/v1/connections/links": {"integrationId": name, "userId": "ada"},
        "/v1/runs": {**RUN, "selectedCustomerIntegrationIds": [name]},
    }
    body = bodies.get(path, {}) if method in {"POST", "PATCH"} else None
    answer = await http.request(method, path.format(name), json=body)
    headers = {key: value for key, value in answer.headers.items() if key not in {"date", "content-length"}}
    return answer.status_code, headers, answer.text.replace(name, "NAME")


ABSENT = [
    ("GET", "/v1/runs/{}", "RUN_NOT_FOUND"),
    ("DELETE", "/v1/runs/{}", "RUN_NOT_FOUND"),
    ("GET", "/v1/runs/{}/sse", "RUN_NOT_FOUND"),
    ("GET", "/v1/runs/{}/events", "RUN_NOT_FOUND"),
    ("POST", "/v1/runs/{}/stream-tickets", "RUN_NOT_FOUND"),
    ("GET", "/v1/execution-plans/{}", "PLAN_NOT_FOUND"),
    ("POST", "/v1/approvals/{}", "APPROVAL_NOT_FOUND"),
    ("GET", "/v1/integrations/{}", "INTEGRATION_NOT_FOUND"),
    ("DELETE", "/v1/keys/{}", "KEY_NOT_FOUND"),
    ("GET", "/v1/connections/{}", "CONNECTION_NOT_FOUND"),
    ("DELETE", "/v1/connections/{}", "CONNECTION_NOT_FOUND"),
]


async def test_an_id_that_cannot_be_one_is_not_found(service: Service) -> None:
    async with asking(service) as http:
        for name in ("x", "approval-1", "%00", "%FF", "..%2F", "%20", "a" * 5_000, f"{NOBODY}x"):
            for method, path, wanted in ABSENT:
                body = {"decision": "deny"} if "approvals" in path else {}
                json = {"json": body} if method == "POST" else {}
                answer = await http.request(method, path.format(name), **json)

                # A slash that was escaped stands between names all the same.
                assert reason(answer) == (404, "ROUTE_NOT_FOUND" if "%2F" in name else wanted), path
                assert len(answer.content) < 1_000


async def test_an_id_is_read_in_every_form_of_a_uuid(service: Service) -> None:
    run = (await service.create("do")).run_id
    async with asking(service) as http:
        for form in (run.upper(), run.replace("-", "")):
            assert (await http.get(f"/v1/runs/{form}")).json()["runId"] == run
