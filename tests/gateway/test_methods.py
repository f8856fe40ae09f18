"""Methods and paths: what is there, what a path takes, and what HEAD says."""

from __future__ import annotations

from tests.gateway.callers import RUN, asking, reason
from tests.gateway.raw import send
from tests.service import Service

NOWHERE = (
    "/",
    "/v1",
    "/v1/",
    "/v1/runs/",
    "/v2/runs",
    "/v1/runs/a/b",
    "//v1/runs",
    "/%00",
    "/docs/viewer/index.js",
)
TAKEN = {
    "/v1/runs": "GET, HEAD, POST",
    "/v1/runs/a": "DELETE, GET, HEAD",
    "/v1/runs/approval": "GET, HEAD, POST",
    "/v1/keys/a": "DELETE",
    "/openapi.json": "GET, HEAD",
    "/docs": "GET, HEAD",
    "/docs/viewer/swagger-ui.css": "GET, HEAD",
    "/healthz": "GET, HEAD",
    "/readyz": "GET, HEAD",
}


async def test_where_nothing_is_a_problem_says_so(service: Service) -> None:
    for path in NOWHERE:
        answer = await send(service, "GET", path, "x-request-id: mine")

        assert (answer.status, answer.json()["reason"]) == (404, "ROUTE_NOT_FOUND"), path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-request-id"] == answer.json()["requestId"] == "mine"


async def test_a_method_a_path_does_not_take_is_answered_with_those_it_takes(service: Service) -> None:
    async with asking(service, accept="application/json") as http:
        for path, allowed in TAKEN.items():
            for method in ("PUT", "TRACE", "OPTIONS", "PROPFIND"):
                answer = await http.request(method, path)

                assert reason(answer) == (405, "METHOD_NOT_ALLOWED"), (method, path)
                assert answer.headers["allow"] == allowed


async def test_head_says_what_get_would_say_without_saying_it(service: Service) -> None:
    run = (await service.create("do")).run_id
    await service.finished(run)
    async with asking(service, x_request_id="same") as http:
        for path in (
            "/v1/runs",
            "/v1/runs?page=x",
            f"/v1/runs/{run}",
            f"/v1/runs/{run}/events",
            "/v1/runs/none",
            "/v1/integrations",
            "/v1/keys",
            "/openapi.json",
            "/docs",
            "/docs/viewer/swagger-ui.css",
            "/healthz",
            "/nothing",
        ):
            told = await http.get(path)
            head = await http.head(path)

            assert head.content == b""
            assert (head.status_code, _without_date(head.headers)) == (
                told.status_code,
                _without_date(told.headers),
            ), path


def _without_date(headers: object) -> dict[str, str]:
    return {key: value for key, value in dict(headers).items() if key != "date"}  # type: ignore[call-overload]


async def test_every_answer_carries_the_id_of_its_request(service: Service) -> None:
    async with asking(service) as http:
        own = await http.get("/v1/runs", headers={"x-request-id": "mine/1"})
        made = {(await http.get("/v1/runs")).headers["x-request-id"] for _ in range(3)}
        for bad in ("a b", "x" * 129, ""):
            other = await http.get("/v1/runs", headers={"x-request-id": bad})

            assert other.headers["x-request-id"] not in {"", bad}

    assert own.headers["x-request-id"] == "mine/1"
    assert len(made) == 3


async def test_a_run_is_created_where_its_location_says(service: Service) -> None:
    async with asking(service) as http:
        created = await http.post("/v1/runs", json=RUN)
        found = await http.get(created.headers["location"])

    assert found.json()["runId"] == created.json()["runId"]
