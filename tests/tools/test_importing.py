"""Documents in several files, and documents imported again: through the server, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from errands.v1 import integration_pb2 as pb
from errands_server.app import Overrides
from errands_server.domain.errors import Invalid, Reason
from errands_server.tools.catalog import ToolCatalog
from errands_server.tools.openapi.document import describe
from errands_server.tools.openapi.importer import OpenApiSource, OpenApiTerms, import_source
from errands_server.tools.openapi.json_node import DocumentError
from errands_server.tools.openapi.loader import MAX_DOCUMENTS, LoadedDocument, load, pack, parse_texts, unpack
from tests.service import Service, serving
from tests.tools.test_guard import ok, web

MAIN = """
openapi: 3.1.0
servers: [{url: /v1}]
paths:
  /pets:
    $ref: paths/pets.yaml
"""
PETS = """
post:
  operationId: addPet
  requestBody:
    content:
      application/json:
        schema: {$ref: "../schemas.json#/Pet"}
  responses: {}
"""
SCHEMAS = {
    "Pet": {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "parent": {"$ref": "#/Pet"}, "owner": {"$ref": "#/Owner"}},
    },
    "Owner": {"type": "object", "properties": {"pets": {"items": {"$ref": "schemas.json#/Pet"}}}},
}
FILES = {"/main.yaml": MAIN, "/paths/pets.yaml": PETS, "/schemas.json": json.dumps(SCHEMAS)}
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Shelf:
    """Files on a server, and who asked for them."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files
        self.asked: list[str] = []

    def __call__(self, path: str) -> bytes:
        self.asked.append(path)
        return ok(self.files[path].encode()) if path in self.files else MISSING


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(tmp_path / "data", Overrides()) as opened:
        yield opened


def describing(paths: dict[str, Any], **more: Any) -> str:
    return json.dumps(
        {"openapi": "3.1.0", "servers": [{"url": "https://a.example/v1"}], "paths": paths, **more}
    )


def get(name: str, **more: Any) -> dict[str, Any]:
    return {"get": {"operationId": name, "responses": {}, **more}}


async def created(service: Service, text: str, **fields: Any) -> pb.Integration:
    request = pb.CreateIntegrationRequest(openapi_document=text, **{"name": "s", **fields})
    return (await service.integrations.CreateIntegration(request)).integration


async def tools(service: Service, integration_id: str) -> dict[str, pb.Tool]:
    answer = await service.integrations.ListTools(pb.ListToolsRequest(id=integration_id))
    return {tool.name: tool for tool in answer.tools}


# Several files.


async def test_a_document_in_several_files_of_one_origin_is_one_description(service):
    shelf = Shelf(FILES)
    async with web(shelf) as origin:
        made = await service.add_integration(f"{origin}/main.yaml")

    schema = json.loads((await tools(service, made))["addPet"].parameters_json)
    assert schema["properties"]["body"]["required"] == ["name"]
    assert schema["properties"]["body"]["properties"]["parent"] == {"$ref": "#/$defs/Pet"}
    assert schema["$defs"]["Owner"]["properties"]["pets"]["items"] == {"$ref": "#/$defs/Pet"}
    assert sorted(shelf.asked) == sorted(FILES)  # each once


async def test_what_was_fetched_is_kept_and_not_fetched_for_a_change_of_terms(service):
    shelf = Shelf(FILES)
    async with web(shelf) as origin:
        made = await service.add_integration(f"{origin}/main.yaml")
        before = await tools(service, made)
        asked = list(shelf.asked)
        change = pb.UpdateIntegrationRequest(id=made, honours_idempotency_keys=True)
        answer = await service.integrations.UpdateIntegration(change)

    assert shelf.asked == asked
    assert list(answer.tools_changed) == ["addPet"]
    assert answer.integration.base_url == f"{origin}/v1"
    assert before.keys() == (await tools(service, made)).keys()


async def test_another_origin_is_not_asked_and_the_refusal_names_the_place():
    other = Shelf({"/schemas.json": json.dumps(SCHEMAS)})
    async with web(other) as elsewhere:
        shelf = Shelf(
            FILES | {"/paths/pets.yaml": PETS.replace("../schemas.json", f"{elsewhere}/schemas.json")}
        )
        async with web(shelf) as origin:
            with pytest.raises(Invalid, match="another origin") as caught:
                await import_source(OpenApiSource(url=f"{origin}/main.yaml"), OpenApiTerms(internal=True))

    assert other.asked == []
    assert caught.value.reason is Reason.DOCUMENT_INVALID
    assert "paths./pets.post.requestBody." in caught.value.violations[0].message


async def test_a_document_given_as_text_refers_to_nothing_outside():
    shelf = Shelf(FILES)
    async with web(shelf) as origin:
        text = MAIN.replace("paths/pets.yaml", f"{origin}/paths/pets.yaml").replace(
            "/v1", "https://a.example"
        )
        with pytest.raises(Invalid, match="bundle it into one file"):
            await import_source(OpenApiSource(text=text), OpenApiTerms(internal=True))

    assert shelf.asked == []


async def test_a_file_that_is_missing_matters_only_where_it_is_needed():
    files = {"/main.json": describing({"/x": get("x", **{"x-example": {"$ref": "gone.json"}})})}
    async with web(Shelf(files)) as origin:
        fine = await import_source(OpenApiSource(url=f"{origin}/main.json"), OpenApiTerms(internal=True))
        files["/main.json"] = describing({"/x": {"$ref": "gone.json#/a"}})
        with pytest.raises(Invalid, match=r"paths\./x: .*cannot be had: the server answered 404"):
            await import_source(OpenApiSource(url=f"{origin}/main.json"), OpenApiTerms(internal=True))

    assert fine.tool_count == 1


async def test_files_that_refer_to_ever_more_files_are_bounded():
    def serve(path: str) -> bytes:
        number = int(path.strip("/").removesuffix(".json"))
        asked.append(number)
        return ok(json.dumps({"a": {"$ref": f"{number + 1}.json#/a"}}).encode())

    asked: list[int] = []
    async with web(serve) as origin:
        gathered, root = await load('{"a": {"$ref": "1.json#/a"}}', f"{origin}/0.json", internal=True)

    assert len(asked) == MAX_DOCUMENTS
    assert len(gathered.texts) == MAX_DOCUMENTS + 1
    with pytest.raises(DocumentError, match="openapi"):
        describe(root)


async def test_files_that_refer_to_each_other_in_a_circle_are_refused_for_it():
    files = {
        "/main.json": describing({"/x": {"$ref": "other.json#/a"}}),
        "/other.json": '{"a": {"$ref": "main.json#/paths/~1x"}}',
    }
    async with web(Shelf(files)) as origin:
        with pytest.raises(Invalid, match="leads back to itself"):
            await import_source(OpenApiSource(url=f"{origin}/main.json"), OpenApiTerms(internal=True))


def test_what_is_stored_reads_as_it_did_and_bare_texts_of_old_do_too():
    gathered = LoadedDocument(
        url="https://a.example/x", texts={"https://a.example/x": "{}"}, base_url="https://b.example"
    )

    assert unpack(pack(gathered)) == gathered
    assert len(pack(LoadedDocument(url="", texts={"": MAIN * 1000}))) < len(MAIN) * 20
    assert parse_texts(unpack(MAIN.encode())).value["openapi"] == "3.1.0"


# Imported again.


async def test_importing_again_says_which_tools_came_went_and_changed(service):
    text = describing({"/a": get("a"), "/b": get("b"), "/c": get("c")})
    made = (
        await service.integrations.CreateIntegration(
            pb.CreateIntegrationRequest(name="s", openapi_document=text)
        )
    ).integration
    anew = describing({"/d": get("d"), "/c": get("c"), "/b": get("b", deprecated=True)})
    answer = await service.integrations.UpdateIntegration(
        pb.UpdateIntegrationRequest(id=made.id, openapi_document=anew)
    )

    assert list(answer.tools_added) == ["d"]
    assert list(answer.tools_removed) == ["a"]
    assert list(answer.tools_changed) == ["b"]
    assert answer.integration.revision == 2
    assert (await tools(service, made.id))["b"].deprecated


async def test_importing_the_same_again_or_changing_something_else_changes_no_tool(service):
    text = describing({"/a": get("a"), "/b": get(""), "/c": get("")})
    made = (
        await service.integrations.CreateIntegration(
            pb.CreateIntegrationRequest(name="s", openapi_document=text)
        )
    ).integration
    requests = [
        pb.UpdateIntegrationRequest(id=made.id, openapi_document=text),
        pb.UpdateIntegrationRequest(id=made.id, name="renamed"),
    ]
    answers = [await service.integrations.UpdateIntegration(request) for request in requests]

    assert all(not (a.tools_added or a.tools_removed or a.tools_changed) for a in answers)


async def test_importing_again_does_not_move_an_integration(service):
    text = describing({"/a": get("a")})
    made = await created(service, text, base_url="https://b.example/v2")
    moved = text.replace("a.example", "evil.example")
    kept = await service.integrations.UpdateIntegration(
        pb.UpdateIntegrationRequest(id=made.id, openapi_document=moved)
    )
    asked = await service.integrations.UpdateIntegration(
        pb.UpdateIntegrationRequest(id=made.id, base_url="https://c.example")
    )

    assert kept.integration.base_url == "https://b.example/v2"
    assert asked.integration.base_url == "https://c.example"


async def test_operations_keep_the_servers_of_their_own_when_a_document_is_read_anew(service):
    own = get("own", servers=[{"url": "https://a.example/own"}])
    text = describing({"/a": get("a"), "/own": own})
    made = (
        await service.integrations.CreateIntegration(
            pb.CreateIntegrationRequest(name="s", openapi_document=text)
        )
    ).integration
    answer = await service.integrations.UpdateIntegration(
        pb.UpdateIntegrationRequest(id=made.id, openapi_document=text)
    )

    assert not answer.tools_changed
    assert made.base_url == "https://a.example/v1"


async def test_a_refused_document_leaves_the_integration_as_it_was(service):
    text = describing({"/a": get("a")})
    made = (
        await service.integrations.CreateIntegration(
            pb.CreateIntegrationRequest(name="s", openapi_document=text)
        )
    ).integration
    with pytest.raises(grpc.aio.AioRpcError, match="convert the document to OpenAPI 3"):
        await service.integrations.UpdateIntegration(
            pb.UpdateIntegrationRequest(id=made.id, openapi_document='{"swagger": "2.0"}')
        )

    now = await service.integrations.GetIntegration(pb.GetIntegrationRequest(id=made.id))
    assert now.integration == made


# Size.


def vast(operations: int) -> str:
    schema = {
        "type": "object",
        "properties": {f"p{n}": {"type": "string", "description": "d" * 200} for n in range(20)},
    }
    paths = {
        f"/things/{n}": {
            "post": {
                "operationId": f"op{n}",
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/S"}}}
                },
                "responses": {},
                "x-bulk": "b" * 3_000,
            }
        }
        for n in range(operations)
    }
    return describing(paths, components={"schemas": {"S": schema}})


async def test_a_large_document_is_read_while_the_server_goes_on():
    text = vast(3_000)
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        revision = await import_source(OpenApiSource(text=text), OpenApiTerms())
        watching.cancel()

    assert revision.tool_count == 3_000
    assert len(text) > 9_000_000
    assert len(revision.document) < len(text) / 10
    assert turns > 100  # of everything else; read on the loop, it leaves a handful


async def test_a_page_of_vast_tools_fits_what_clients_take(service):
    schema = {"type": "object", "properties": {f"p{n}": {"description": "d" * 1_000} for n in range(100)}}
    body = {"requestBody": {"content": {"application/json": {"schema": schema}}}, "responses": {}}
    made = await created(service, describing({f"/{n:02}": {"post": body} for n in range(60)}))
    names, token, pages = [], "", 0
    while pages == 0 or token:
        request = pb.ListToolsRequest(id=made.id, page_size=100, page_token=token)
        answer = await service.integrations.ListTools(request)
        names += [tool.name for tool in answer.tools]
        token, pages = answer.next_page_token, pages + 1

    assert names == [f"post_{n:02}" for n in range(60)]
    assert pages > 1


async def test_of_vast_revisions_only_those_used_last_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("errands_server.tools.catalog.MAX_TOOLS", 3)
    found: list[ToolCatalog] = []
    overrides = Overrides(toolbox=lambda catalog: found.append(catalog))
    async with serving(tmp_path / "data", overrides) as service:
        text = describing({"/a": get("a"), "/b": get("b")})
        one, other = [(await created(service, text, name=name)).id for name in "xy"]
        first = await found[0].load("default", one, 1)
        kept = await found[0].load("default", one, 1)
        await found[0].load("default", other, 1)
        again = await found[0].load("default", one, 1)

    assert kept is first
    assert again is not first
    assert again.operations == first.operations
