"""Everything the published interface demands is in the served document, and the document is true."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from grpc import aio
from jsonschema import Draft202012Validator
from starlette.routing import Route

from errands_gateway.app import application
from errands_gateway.backend import Backend
from errands_gateway.rest.openapi import document
from errands_gateway.settings import Settings
from errands_gateway.v1.dialect import V1
from tests.gateway.callers import asking, reason
from tests.service import Service

PUBLISHED = json.loads((Path(__file__).parent / "published.json").read_text())
SERVED: dict[str, Any] = json.loads(json.dumps(document(V1)))
# A whole number is a number, and `true` in a query is text.
NARROWER = {"number": {"integer"}, "string": {"boolean"}}
BODIES = {"CreateRunRequest", *(name for name in PUBLISHED["components"] if name.startswith("Customer"))}
METHODS = {"get", "post", "patch", "delete"}


def operations(paths: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each operation, by its method and path."""
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def resolved(schema: Any) -> Any:
    """The schema a reference means."""
    while "$ref" in schema:
        found: Any = SERVED
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def missing() -> Iterator[str]:
    """What the published interface has and the served document has not, or has differently."""
    served = dict(operations(SERVED["paths"]))
    for name, demanded in operations(PUBLISHED["paths"]):
        if name not in served:
            yield name
            continue
        if served[name]["operationId"] != demanded["operationId"]:
            yield f"{name}: operationId"
        yield from (f"{name}: {what}" for what in _of_parameters(demanded, served[name]))
        yield from (f"{name}: {what}" for what in _of_body(demanded, served[name]))
        yield from (f"{name}: {what}" for what in _of_responses(demanded, served[name]))
    for component, demanded in PUBLISHED["components"].items():
        found = SERVED["components"]["schemas"].get(component)
        if found is None:
            yield component
        else:
            yield from (f"{component}.{what}" for what in _of_component(component, demanded, found))


def _of_parameters(demanded: Any, served: Any) -> Iterator[str]:
    mine = {(parameter["name"], parameter["in"]): parameter for parameter in served["parameters"]}
    for wanted in demanded["parameters"]:
        found = mine.pop((wanted["name"], wanted["in"]), None)
        if found is None:
            yield f"parameter {wanted['name']}"
            continue
        schema = found["schema"]
        if found["required"] != wanted["required"]:
            yield f"{wanted['name']} is required: {found['required']}"
        if schema["type"] not in {wanted["type"], *NARROWER.get(wanted["type"], ())}:
            yield f"{wanted['name']} has type {schema['type']}"
        for word in ("default", "minimum", "maximum"):
            if word in wanted and schema.get(word) != wanted[word]:
                yield f"{wanted['name']} has {word} {schema.get(word)}"
        yield from (f"{wanted['name']}={value}" for value in _values(wanted) - _values(schema))
    # What the published interface does not know, its callers do not send.
    yield from (f"needs {name}" for (name, _), parameter in mine.items() if parameter["required"])


def _values(schema: Any) -> set[str]:
    return set(schema.get("enum", ()))


def _of_body(demanded: Any, served: Any) -> Iterator[str]:
    wanted = demanded.get("requestBody")
    if wanted is None:
        return
    found = served["requestBody"]
    if found["required"] != wanted["required"]:
        yield "requestBody is required"
    for media_type, component in wanted["content"].items():
        if _named(found["content"].get(media_type, {}).get("schema", {})) != component:
            yield f"requestBody as {media_type}"


def _of_responses(demanded: Any, served: Any) -> Iterator[str]:
    for status, wanted in demanded["responses"].items():
        found = served["responses"].get(status)
        if found is None:
            yield f"answer {status}"
            continue
        for media_type, named in wanted.items():
            schema = found["content"].get(media_type, {}).get("schema")
            if schema is None or (named and _named(schema) != named):
                yield f"answer {status} as {media_type}"


def _named(schema: Any) -> Any:
    """A schema as published.json writes it: a component, a list of one, or a type."""
    if schema.get("type") == "array":
        return [_named(schema["items"])]
    return schema["$ref"].rpartition("/")[2] if "$ref" in schema else schema.get("type")


def _of_component(component: str, demanded: Any, found: Any) -> Iterator[str]:
    properties = found["properties"]
    for name, wanted in demanded["properties"].items():
        schema = properties.get(name)
        if schema is None:
            yield name
            continue
        yield from (f"{name}={value}" for value in set(wanted.get("enum", ())) ^ _values(schema))
        kinds = {resolved(one).get("type") for one in (schema, *schema.get("anyOf", ()))}
        if "type" in wanted and wanted["type"] not in kinds:
            yield f"{name} is no {wanted['type']}"
        for word in ("oneOf", "allOf"):
            if word in wanted and [_named(one) for one in schema.get(word, ())] != wanted[word]:
                yield f"{name} is not {word} {wanted[word]}"
        if wanted.get("items", "object") not in {"object", _items(schema)}:
            yield f"{name} holds no {wanted['items']}"
    required = set(found.get("required", ()))
    yield from (f"{name} is not required" for name in set(demanded["required"]) - required)
    if component in BODIES:
        yield from (f"{name} is required" for name in required - set(demanded["required"]))


def _items(schema: Any) -> Any:
    arrays = [one for one in (schema, *schema.get("anyOf", ())) if one.get("type") == "array"]
    return _named(arrays[0].get("items", {})) if arrays else None


def test_nothing_of_the_published_interface_is_missing() -> None:
    assert list(missing()) == []


@pytest.mark.parametrize(
    "loss",
    [
        lambda served: served["paths"].pop("/v1/runs/{runId}/sse"),
        lambda served: served["paths"]["/v1/runs"].pop("get"),
        lambda served: served["paths"]["/v1/runs"]["get"]["parameters"].pop(0),
        lambda served: served["paths"]["/v1/runs"]["get"]["parameters"][2]["schema"]["enum"].pop(),
        lambda served: served["paths"]["/v1/runs"]["get"]["parameters"][4].update(required=True),
        lambda served: served["paths"]["/v1/runs/{runId}"]["delete"]["responses"].pop("404"),
        lambda served: served["paths"]["/v1/runs"]["post"]["requestBody"].update(required=False),
        lambda served: served["components"]["schemas"].pop("CustomerProvidedOktaCredentials"),
        lambda served: served["components"]["schemas"]["RunDto"]["required"].remove("context"),
        lambda served: served["components"]["schemas"]["RunDto"]["properties"].pop("result"),
        lambda served: served["components"]["schemas"]["CreateRunRequest"]["required"].append("repeatKey"),
        lambda served: served["components"]["schemas"]["ExecPlanDto"]["properties"]["steps"].pop("items"),
    ],
)
def test_each_kind_of_loss_is_noticed(loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lossy = json.loads(json.dumps(SERVED))
    loss(lossy)
    monkeypatch.setattr(f"{__name__}.SERVED", lossy)

    assert list(missing())


async def test_the_document_is_served_to_anybody_and_is_that_of_the_table(service: Service) -> None:
    async with httpx2.AsyncClient(base_url=f"http://{service.app.http_address}") as anybody:
        served = await anybody.get("/openapi.json")

    assert served.headers["content-type"] == "application/json"
    assert served.json() == SERVED


async def test_each_path_of_the_document_takes_its_methods_and_no_others(service: Service) -> None:
    async with asking(service) as http:
        for path, methods in SERVED["paths"].items():
            answer = await http.put(path.replace("{", "").replace("}", ""))
            taken = {method.upper() for method in methods} | ({"HEAD"} if "get" in methods else set())

            assert reason(answer) == (405, "METHOD_NOT_ALLOWED"), path
            assert answer.headers["allow"] == ", ".join(sorted(taken))


async def test_every_path_that_is_routed_is_in_the_document_but_those_for_operators_and_readers() -> None:
    async with aio.insecure_channel("127.0.0.1:1") as nobody:
        app: Any = application(Backend(nobody, Settings()))
    routed = {route.path for route in app.routes if isinstance(route, Route)}
    beside = {path for path in routed if path.startswith("/docs")}

    assert routed - beside == {*SERVED["paths"], "/openapi.json", "/healthz", "/readyz", "/metrics"}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        yield from (found for inner in value.values() for found in references(inner))
    elif isinstance(value, list):
        yield from (found for inner in value for found in references(inner))


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    found = set(references(SERVED))
    for reference in found:
        assert resolved({"$ref": reference}), reference

    assert found == {f"#/components/schemas/{name}" for name in SERVED["components"]["schemas"]}


def schemas() -> Iterator[tuple[str, Any]]:
    """Every JSON Schema of the document."""
    yield from SERVED["components"]["schemas"].items()
    for name, operation in operations(SERVED["paths"]):
        yield from ((f"{name} {one['name']}", one["schema"]) for one in operation["parameters"])
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            yield from ((f"{name} {kind}", one["schema"]) for kind, one in body.get("content", {}).items())
            yield from ((f"{name} {at}", one["schema"]) for at, one in body.get("headers", {}).items())


def test_every_schema_is_one() -> None:
    for name, schema in schemas():
        Draft202012Validator.check_schema(schema)
        assert schema, name


def test_examples_fit_their_schemas() -> None:
    for name, schema in schemas():
        whole = Draft202012Validator({**schema, "components": SERVED["components"]})
        for example in schema.get("examples", ()):
            assert [error.message for error in whole.iter_errors(example)] == [], name


def test_the_document_is_openapi() -> None:
    """The rules of OpenAPI 3.1 that its JSON Schema leaves to readers, and those it does not."""
    ids = [operation["operationId"] for _, operation in operations(SERVED["paths"])]
    tags = {tag["name"] for tag in SERVED["tags"]}

    assert SERVED["openapi"] == "3.1.0"
    assert {"title", "version", "license"} <= SERVED["info"].keys()
    assert len(ids) == len(set(ids))
    for name, operation in operations(SERVED["paths"]):
        method, _, path = name.partition(" ")
        in_path = [one["name"] for one in operation["parameters"] if one["in"] == "path"]

        assert method in METHODS
        assert sorted(in_path) == sorted(part.strip("{}") for part in path.split("/") if "{" in part), name
        assert all(one["required"] for one in operation["parameters"] if one["in"] == "path"), name
        assert len(operation["parameters"]) == len(
            {(one["name"], one["in"]) for one in operation["parameters"]}
        )
        assert set(operation["tags"]) <= tags
        assert operation["summary"]
        for status, answer in operation["responses"].items():
            assert 200 <= int(status) < 600
            assert answer["description"]
            for link in answer.get("links", {}).values():
                assert link["operationId"] in ids
        for requirement in operation.get("security", SERVED["security"]):
            assert requirement.keys() <= SERVED["components"]["securitySchemes"].keys()


def test_everything_in_the_document_is_described() -> None:
    for name, schema in SERVED["components"]["schemas"].items():
        assert schema["description"], name
        for member, inner in schema.get("properties", {}).items():
            assert "$ref" in inner or inner.get("description"), f"{name}.{member}"
    for name, operation in operations(SERVED["paths"]):
        assert all(one["description"] for one in operation["parameters"]), name
