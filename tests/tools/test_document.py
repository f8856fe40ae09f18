"""OpenAPI documents become operations, or an error that names the place."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from errands_server.domain.tool import Effect, Repeat, Tool
from errands_server.tools.openapi.document import Description, DocumentError, Operation, read

PETS: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": "https://{region}.Example.com:443/v1/", "variables": {"region": {"default": "eu"}}}],
    "security": [{"token": []}],
    "paths": {
        "/pets/{id}": {
            "parameters": [{"$ref": "#/components/parameters/id"}],
            "get": {
                "operationId": "pets/get",
                "summary": "Get a pet",
                "tags": ["pets"],
                "parameters": [
                    {
                        "name": "fields",
                        "in": "query",
                        "schema": {"type": "array", "items": {"type": "string"}},
                    },
                    {"name": "id", "in": "query", "schema": {"type": "integer", "minimum": 1}},
                    {"name": "Accept", "in": "header", "schema": {"type": "string"}},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                ],
                "security": [{}, {"token": []}],
                "responses": {
                    "404": {"description": "none", "content": {"application/json": {"schema": {}}}},
                    "200": {"$ref": "#/components/responses/pet"},
                },
            },
            "delete": {"responses": {"204": {"description": "gone"}}},
            "put": {
                "requestBody": {"$ref": "#/components/requestBodies/pet"},
                "responses": {},
                "deprecated": True,
            },
        },
        "/pets": {
            "post": {
                "operationId": "pets/create",
                "parameters": [
                    {
                        "name": "idempotency-key",
                        "in": "header",
                        "required": True,
                        "schema": {"type": "string"},
                    },
                    {"name": "body", "in": "query", "schema": {"type": "string"}},
                ],
                "requestBody": {"$ref": "#/components/requestBodies/pet"},
                "responses": {},
            },
        },
        "/pets/search": {"post": {"x-errands-effect": "read", "responses": {}}},
        "/pets/import": {
            "post": {
                "requestBody": {"content": {"application/xml": {"schema": {"type": "object"}}}},
                "responses": {},
            },
        },
    },
    "components": {
        "parameters": {
            "id": {
                "name": "id",
                "in": "path",
                "required": True,
                "description": "which",
                "schema": {"$ref": "#/components/schemas/Id"},
            },
        },
        "requestBodies": {
            "pet": {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
            },
        },
        "responses": {
            "pet": {
                "description": "a pet",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
            },
        },
        "schemas": {
            "Id": {"type": "string", "format": "uuid", "example": "7"},
            "Pet": {
                "type": "object",
                "required": ["id", "name", "secret"],
                "properties": {
                    "id": {"type": "string", "readOnly": True},
                    "secret": {"type": "string", "writeOnly": True},
                    "name": {"type": "string", "nullable": True},
                    "kind": {"type": "string", "enum": ["cat", "dog"], "nullable": True},
                    "age": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
                    "parent": {"$ref": "#/components/schemas/Pet"},
                },
            },
        },
        "securitySchemes": {"token": {"type": "http", "scheme": "Bearer"}},
    },
}


def described(document: dict[str, Any] = PETS, **options: Any) -> Description:
    return read(json.dumps(document), **options)


def operation(name: str, document: dict[str, Any] = PETS, **options: Any) -> Operation:
    return next(found for found in described(document, **options).operations if found.tool.name == name)


def tool(name: str, document: dict[str, Any] = PETS, **options: Any) -> Tool:
    return operation(name, document, **options).tool


def with_operation(changes: dict[str, Any], *, path: str = "/x", method: str = "post") -> dict[str, Any]:
    """A document of one operation named `it`."""
    one = {"operationId": "it", "responses": {}, **changes}
    return {"openapi": "3.1.0", "servers": [{"url": "https://a.example"}], "paths": {path: {method: one}}}


def body_schema(schema: Any, **components: Any) -> Any:
    content = {"application/json": {"schema": schema}}
    document = with_operation({"requestBody": {"content": content}})
    return tool("it", document | {"components": {"schemas": components}}).parameters


def place_of_error(text: str | dict[str, Any], **options: Any) -> str:
    with pytest.raises(DocumentError) as caught:
        read(text if isinstance(text, str) else json.dumps(text), **options)
    return caught.value.place


def test_parameters_and_body_become_one_arguments_object():
    parameters = tool("put_pets_id").parameters

    assert parameters["properties"]["id"] == {
        "type": "string",
        "format": "uuid",
        "examples": ["7"],
        "description": "which",
    }
    assert parameters["required"] == ["id", "body"]
    assert parameters["additionalProperties"] is False


def test_a_name_used_in_two_places_gets_the_place_as_suffix():
    found = operation("pets_get")

    assert list(found.tool.parameters["properties"]) == ["id", "fields", "id_query", "X-Trace"]
    assert [(p.argument, p.name, p.location) for p in found.parameters][2] == ("id_query", "id", "query")


def test_a_parameter_called_body_leaves_the_name_to_the_body():
    assert list(tool("pets_create").parameters["properties"]) == ["body_query", "body"]


def test_headers_that_are_ours_to_set_are_no_arguments():
    assert not {"Accept", "idempotency-key"} & tool("pets_get").parameters["properties"].keys()


def test_a_parameter_that_a_security_scheme_fills_is_no_argument():
    key = {"name": "api_key", "in": "query", "required": True, "schema": {"type": "string"}}
    document = with_operation({"parameters": [key]})
    document["components"] = {"securitySchemes": {"k": {"type": "apiKey", "in": "query", "name": "api_key"}}}

    assert tool("it", document).parameters["properties"] == {}


@pytest.mark.parametrize(
    ("name", "where", "description", "is_argument"),
    [
        ("token", "query", "Authentication token. Requires scope: `chat:write`", False),
        ("token", "header", "", False),
        ("X-Api-Key", "header", "The API key of the caller", False),
        ("access_token", "query", "OAuth access token", False),
        ("token", "query", "Token of the device that is notified", True),
        ("page_token", "query", "", True),
        ("token", "path", "", True),
    ],
)
def test_another_place_for_the_credential_is_no_argument(
    name: str, where: str, description: str, is_argument: bool
):
    parameter = {"name": name, "in": where, "required": True, "description": description}
    document = with_operation({"parameters": [{**parameter, "schema": {"type": "string"}}]})
    if where == "path":
        document["paths"] = {"/it/{token}": next(iter(document["paths"].values()))}
    document["components"] = {"securitySchemes": {"o": {"type": "http", "scheme": "bearer"}}}

    open_to_all = tool("it", document).parameters["properties"]
    document["security"] = [{"o": []}]
    secured = tool("it", document).parameters["properties"]

    assert list(open_to_all) == [name]
    assert list(secured) == ([name] if is_argument else [])


def test_schemas_stand_alone_and_may_contain_themselves():
    pet = {"id": "1", "body": {"name": "Tom", "secret": "s", "parent": {"name": None, "secret": "s"}}}
    checker = Draft202012Validator(tool("put_pets_id").parameters)

    assert checker.is_valid(pet)
    pet["body"]["parent"]["name"] = 7
    assert not checker.is_valid(pet)


def test_what_only_the_service_writes_is_not_required_of_us_and_the_reverse():
    assert tool("put_pets_id").parameters["properties"]["body"]["required"] == ["name", "secret"]
    assert tool("pets_get").output["required"] == ["id", "name"]


def test_schemas_of_openapi_3_0_read_as_json_schema_2020_12():
    properties = tool("put_pets_id").parameters["properties"]["body"]["properties"]

    assert properties["name"]["type"] == ["string", "null"]
    assert properties["kind"]["enum"] == ["cat", "dog", None]
    assert properties["age"] == {"type": "number", "exclusiveMinimum": 0}


@pytest.mark.parametrize(
    ("name", "effect", "repeat"),
    [
        ("pets_get", Effect.READ, Repeat.FREELY),
        ("post_pets_search", Effect.READ, Repeat.FREELY),
        ("pets_create", Effect.WRITE, Repeat.KEYED),
        ("delete_pets_id", Effect.WRITE, Repeat.BRIEFLY),
        ("put_pets_id", Effect.WRITE, Repeat.BRIEFLY),
    ],
)
def test_effect_and_repeat_follow_method_key_and_extension(name, effect, repeat):
    assert (tool(name).effect, tool(name).repeat) == (effect, repeat)


@pytest.mark.parametrize(
    ("path", "effect"),
    [
        ("/#Action=RunInstances", Effect.WRITE),
        ("/#Action=DescribeInstances", Effect.READ),
        ("/queue/#GetQueueUrl", Effect.READ),
        ("/plain", Effect.READ),
    ],
)
def test_a_get_that_only_a_fragment_tells_apart_reads_if_its_verb_does(path, effect):
    found = tool("it", with_operation({}, path=path, method="get"))

    assert found.effect is effect
    assert found.repeat is (Repeat.FREELY if effect is Effect.READ else Repeat.NEVER)


def test_a_parameter_without_a_name_matters_only_where_it_is_required():
    nameless = {"name": "", "in": "query", "schema": {"type": "string"}}
    optional = described(with_operation({"parameters": [nameless]}))
    required = described(with_operation({"parameters": [nameless | {"required": True}]}))

    assert optional.operations[0].parameters == ()
    assert "has no name" in required.left_out[0].why


def test_a_write_is_never_repeated_unless_something_says_it_may_be():
    assert tool("it", with_operation({})).repeat is Repeat.NEVER
    assert tool("it", with_operation({"x-errands-idempotent": True})).repeat is Repeat.FREELY
    assert tool("it", with_operation({}), honours_keys=True).repeat is Repeat.KEYED


def test_the_key_header_is_kept_as_declared():
    assert operation("pets_create").key_header == "idempotency-key"
    assert operation("delete_pets_id", honours_keys=True).key_header == "Idempotency-Key"
    assert operation("pets_get", honours_keys=True).key_header == ""


def test_an_operation_is_secured_unless_it_may_go_without():
    assert tool("put_pets_id").secured
    assert not tool("pets_get").secured
    assert not tool("it", with_operation({"security": []}) | {"security": [{"token": []}]}).secured
    assert described().schemes["token"].scheme == "bearer"


def test_the_output_is_the_first_successful_json_answer():
    assert tool("pets_get").output["properties"]["name"] == {"type": ["string", "null"]}
    assert tool("delete_pets_id").output is None


def test_an_operation_that_cannot_be_sent_is_left_out_by_name_and_the_rest_stays():
    (omission,) = described().left_out

    assert omission.place == "paths./pets/import.post"
    assert "application/xml" in omission.why
    assert len(described().operations) == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": [{"name": "two words", "in": "cookie", "required": True}]},
        {"parameters": [{"name": "x", "in": "query", "content": {"application/xml": {}}, "required": True}]},
        {"requestBody": {"content": {"multipart/related": {}}}},
        {"parameters": [{"name": "q", "in": "query", "style": "matrix", "required": True}]},
        {"parameters": [{"name": "two words", "in": "header", "required": True}]},
        {"servers": [{"url": "https://elsewhere.example"}]},
    ],
    ids=["cookie", "content", "related", "style", "header", "server"],
)
def test_what_cannot_be_sent_is_never_left_to_chance(changes):
    description = described(with_operation(changes))

    assert description.operations == ()
    assert len(description.left_out) == 1


def test_a_path_whose_parameter_is_not_declared_is_left_out():
    assert described(with_operation({}, path="/x/{id}")).left_out


def test_names_are_unique_and_do_not_depend_on_the_order_of_a_document():
    long = "x" * 80
    document = with_operation({"operationId": long})
    document["paths"]["/y"] = {"get": {"operationId": long}, "put": {"operationId": "ä ö"}, "post": {}}
    turned = document | {"paths": dict(reversed(document["paths"].items()))}
    names = {(o.tool.method, o.tool.path): o.tool.name for o in described(document).operations}

    assert (names["PUT", "/y"], names["POST", "/y"]) == ("put", "post_y")
    assert len(set(names.values())) == 4
    assert all(len(name) <= 64 for name in names.values())
    assert {(o.tool.method, o.tool.path): o.tool.name for o in described(turned).operations} == names


def test_operations_survive_storage():
    operations = described().operations

    stored = msgspec.json.encode(operations)

    assert msgspec.json.decode(stored, type=tuple[Operation, ...]) == operations


def test_the_origin_is_normalised_and_the_path_of_the_server_is_kept():
    assert described().origin == "https://eu.example.com"
    assert operation("pets_get").base_path == "/v1"


@pytest.mark.parametrize(
    ("servers", "options", "origin", "base_path"),
    [
        (
            [{"url": "https://a.example"}],
            {"base_url": "http://B.example:8080/x/"},
            "http://b.example:8080",
            "/x",
        ),
        ([{"url": "/v2"}], {"source_url": "https://c.example/docs/api.json"}, "https://c.example", "/v2"),
        ([{"url": "v2"}], {"source_url": "https://c.example/docs/api.json"}, "https://c.example", "/docs/v2"),
        ([], {"source_url": "https://c.example/docs/api.json"}, "https://c.example", ""),
        ([{"url": "https://[::1]:443/"}], {}, "https://[::1]", ""),
        ([{"url": "https://bücher.example"}], {}, "https://xn--bcher-kva.example", ""),
    ],
)
def test_the_base_url_is_the_given_one_else_the_first_server(servers, options, origin, base_path):
    found = operation("it", with_operation({}) | {"servers": servers}, **options)

    assert (found.tool.origin, found.base_path) == (origin, base_path)


@pytest.mark.parametrize(
    "url", ["/v1", "ftp://a.example", "https://u:p@a.example", "https://a.example?x=1", "https://{a}.example"]
)
def test_a_document_without_a_usable_server_asks_for_a_base_url(url):
    assert place_of_error(PETS | {"servers": [{"url": url}]}) == "servers[0]"
    assert described(PETS | {"servers": [{"url": url}]}, base_url="https://a.example").operations


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"swagger": "2.0"}, "swagger"),
        ({"openapi": "3.2.0"}, "openapi"),
        ({"openapi": 3}, "openapi"),
        ({}, "openapi"),
        (PETS | {"paths": []}, "paths"),
        (PETS | {"paths": {"pets": {}}}, "paths.pets"),
        (with_operation({"parameters": {}}), "paths./x.post.parameters"),
        (with_operation({"parameters": [{"in": "query"}]}), "paths./x.post.parameters[0]"),
        (with_operation({"requestBody": {"$ref": "other.yaml#/x"}}), "paths./x.post.requestBody"),
        (with_operation({"requestBody": {"$ref": "#/nowhere"}}), "paths./x.post.requestBody"),
        (with_operation({"x-errands-effect": "maybe"}), "paths./x.post.x-errands-effect"),
    ],
)
def test_an_error_names_its_place(document, place):
    assert place_of_error(document) == place


def test_swagger_2_is_refused_with_the_way_out():
    with pytest.raises(DocumentError, match="convert the document to OpenAPI 3"):
        read('{"swagger": "2.0", "paths": {}}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"openapi": "3.0.0",\n "a": ü}', r"not valid JSON: invalid character at line 2, column 7"),
        ("openapi: 3.0.0\npaths: [", r"not valid YAML: did not find .* at line 3, column 1"),
        ("<!doctype html>", "a page of HTML"),
        ("{}", "openapi: is missing"),
    ],
)
def test_what_is_wrong_with_a_text_is_said_in_one_line_with_its_place(text, message):
    with pytest.raises(DocumentError, match=message) as caught:
        read(text)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", ["3.0", "3.1", "'3.0'", "3.1.0"])
def test_a_version_may_lack_its_quotes_and_its_last_number(version):
    assert read(f"openapi: {version}\nservers: [{{url: https://a.example}}]").operations == ()


def test_servers_have_variables_at_every_level_and_stay_at_one_origin():
    document = with_operation({})
    document["servers"] = [{"url": "/relative"}, {"url": "https://{host}/v{n}", "variables": {}}]
    document["servers"][1]["variables"] = {"host": {"default": "a.example"}, "n": {"enum": ["2", "3"]}}
    document["paths"]["/path"] = {"get": {}, "servers": [{"url": "https://a.example/p"}]}
    own = {"url": "{base}/own", "variables": {"base": {"default": "https://a.example"}}}
    document["paths"]["/own"] = {"get": {"servers": [own]}, "servers": [{"url": "https://a.example/p"}]}
    description = described(document)

    assert description.origin == "https://a.example"
    assert [found.base_path for found in description.operations] == ["/v2", "/p", "/own"]


def test_merge_keys_of_yaml_add_what_is_not_said_and_are_bounded():
    text = """
        openapi: 3.1.0
        servers: [{url: https://a.example}]
        paths:
          /x:
            get: &get {operationId: get, summary: a, deprecated: true}
            put: {operationId: put, <<: *get, summary: b}
    """
    put = next(found.tool for found in read(text).operations if found.tool.method == "PUT")
    bomb = "a: &a {" + ",".join(f"k{n}: 1" for n in range(3_000)) + "}\nb:\n" + "  - <<: *a\n" * 3_000

    assert (put.name, put.title, put.deprecated) == ("put", "b", True)
    with pytest.raises(DocumentError, match="more than 2,000,000 values"):
        read(bomb)


def test_a_discriminator_stays_visible_where_its_alternatives_are():
    refer = "#/components/schemas/{}".format
    pet = {
        "oneOf": [{"$ref": refer("Cat")}, {"$ref": refer("Dog")}],
        "discriminator": {
            "propertyName": "kind",
            "mapping": {"cat": refer("Cat"), "dog": refer("Dog"), "x": refer("None")},
        },
    }
    kind = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}}
    document = with_operation({"requestBody": {"content": {"application/json": {"schema": pet}}}})
    document["components"] = {"schemas": {"Cat": kind, "Dog": kind}}
    body = tool("it", document).parameters["properties"]["body"]

    assert body["discriminator"] == {
        "propertyName": "kind",
        "mapping": {"cat": "#/$defs/Cat", "dog": "#/$defs/Dog"},
    }
    assert body["anyOf"] == [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]


def test_references_that_lead_to_each_other_are_refused():
    document = with_operation({"requestBody": {"$ref": "#/components/requestBodies/a"}})
    document["components"] = {"requestBodies": {"a": {"$ref": "#/components/requestBodies/b"}}}
    document["components"]["requestBodies"]["b"] = {"$ref": "#/components/requestBodies/a"}

    assert place_of_error(document) == "paths./x.post.requestBody"


def test_yaml_reads_like_the_json_it_stands_for():
    text = """
        openapi: 3.1.0
        servers: [{url: https://a.example}]
        paths:
          /x:
            get:
              operationId: it
              parameters:
                - {name: on, in: query, schema: {enum: [2024-01-01, yes, 010]}}
              responses: {200: {description: ok, content: {application/json: {schema: &s {type: integer}}}}}
            put:
              responses: {200: {description: ok, content: {application/json: {schema: *s}}}}
    """
    get, put = read(text).operations

    assert get.tool.parameters["properties"]["on"]["enum"] == ["2024-01-01", "yes", "010"]
    assert get.tool.output == put.tool.output == {"type": "integer"}
    assert read(yaml.safe_dump(PETS, sort_keys=False)) == described()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: &a [*a]",
        "a: *b",
        "? [a]\n: 1",
        "a: &b {c: 1}\nd: {<<: *b}",
        "--- {}\n--- {}",
        "a: \x00",
        "a: \ud800",
        '{"a": NaN}',
        "- " * 100_000,
        "[" * 100_000,
        "{a: " * 100_000,
        '{"a":' * 100_000,
        "[1]",
    ],
)
def test_text_that_is_no_document_or_an_attack_is_refused_at_once(text):
    started = time.monotonic()

    with pytest.raises(DocumentError):
        read(text)

    assert time.monotonic() - started < 20  # an attack takes minutes


@pytest.mark.parametrize("width", [8, 2000])
def test_a_short_text_that_stands_for_a_vast_document_is_refused_for_it(width):
    lines = [f"a: &a [{','.join('1' * width)}]"]
    lines += [f"{key}: &{key} [{','.join([f'*{chr(ord(key) - 1)}'] * width)}]" for key in "bcdefghijk"]

    with pytest.raises(DocumentError, match="more than 2,000,000 values"):
        read("\n".join(lines))


@pytest.mark.parametrize(
    "text", ["- " * 100_000, '{"a":' * 101 + "1" + "}" * 101, "a: " + "[" * 101 + "]" * 101]
)
def test_nesting_without_end_is_refused_for_it(text):
    with pytest.raises(DocumentError, match="nested too deeply"):
        read(text)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "required": True},
        {"minimum": "1", "maxLength": -1, "multipleOf": 0, "enum": [], "type": "file"},
        {"properties": [], "items": 3, "allOf": [], "anyOf": {}, "patternProperties": {"[": {}}},
        {"required": ["a", "a"], "dependentRequired": {"b": ["a", "a"]}},
        {"dependentRequired": {"a": "b"}, "$dynamicRef": "#x", "$id": "https://elsewhere.example/"},
    ],
)
def test_keywords_that_make_no_sense_constrain_nothing(schema):
    parameters = body_schema(schema)

    Draft202012Validator.check_schema(parameters)
    assert Draft202012Validator(parameters).is_valid({"body": "text"})


def test_a_converted_schema_never_refuses_what_the_document_allows():
    alternatives = {"oneOf": [{"type": "string", "format": "date"}, {"type": "string", "pattern": "^x$"}]}
    open_ended = {"patternProperties": {"^x-": {}}, "additionalProperties": False}

    assert Draft202012Validator(body_schema(alternatives)).is_valid({"body": "x"})
    assert Draft202012Validator(body_schema(open_ended)).is_valid({"body": {"x-a": 1}})


def test_schemas_that_all_refer_to_each_other_are_stored_in_bounded_space():
    names = [f"S{number}" for number in range(120)]
    web = {
        name: {"properties": {other: {"$ref": f"#/components/schemas/{other}"} for other in names}}
        for name in names
    }
    paths = {
        f"/{number}": {
            "get": {"responses": {"200": {"content": {"application/json": {"schema": web["S0"]}}}}}
        }
        for number in range(120)
    }
    document = with_operation({}) | {"paths": paths, "components": {"schemas": web}}
    started = time.monotonic()

    operations = described(document).operations

    assert time.monotonic() - started < 20  # an attack takes minutes
    assert len(msgspec.json.encode(operations)) < 120 * 48 * 1024


def test_a_short_text_that_stands_for_a_vast_schema_is_cut_off_where_it_grows_too_deep():
    lines = ["openapi: 3.0.0", "servers: [{url: https://a.example}]", "x0: &x0 {type: string, maxLength: 1}"]
    lines += [
        f"x{n}: &x{n} {{type: object, properties: {{a: *x{n - 1}, b: *x{n - 1}, c: *x{n - 1}}}}}"
        for n in range(1, 12)
    ]
    lines += ["paths: {/x: {post: {requestBody: {content: {application/json: {schema: *x11}}}}}}"]
    (found,) = read("\n".join(lines)).operations

    assert len(msgspec.json.encode(found)) < 1_000_000
    deep: Any = {}
    for _ in range(5):
        deep = {"a": deep, "b": {}}
    checker = Draft202012Validator(found.tool.parameters)
    assert checker.is_valid({"body": deep})
    assert not checker.is_valid({"body": {"a": {"b": 1}}})


def test_a_choice_of_more_than_anyone_reads_is_left_to_the_service():
    vast = {"type": "string", "enum": [str(number) for number in range(30_000)]}
    schema = {"type": "object", "properties": {"vast": vast, "few": {"enum": ["a", "b"]}}}
    body = body_schema(schema)["properties"]["body"]

    assert body["properties"] == {"vast": {"type": "string"}, "few": {}}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["#/components/schemas/Pet", "#/paths", "x#/y", "header", "query", "path", "cookie"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=4)
            | st.sampled_from(["$ref", "schema", "in", "name", "content", "items", "nullable"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = document.items() if isinstance(document, dict) else enumerate(document)
    found = [path] if path else []
    for key, child in children:
        below = (*path, key)
        found += places(child, below) if isinstance(child, dict | list) else [below]
    return found


PLACES = places(PETS)


def put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    """Replace what is at `path`, if earlier changes left it there."""
    for key in path[:-1]:
        document = document[key] if isinstance(document, dict | list) and _has(document, key) else None
    if isinstance(document, dict | list) and _has(document, path[-1]):
        document[path[-1]] = value


def _has(document: Any, key: Any) -> bool:
    return key in document if isinstance(document, dict) else isinstance(key, int) and key < len(document)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), JSON), min_size=1, max_size=4), st.booleans())
def test_a_broken_document_is_read_or_refused_with_a_document_error(changes, as_yaml):
    document = copy.deepcopy(PETS)
    for path, value in changes:
        put(document, path, value)

    try:
        description = read(yaml.safe_dump(document) if as_yaml else json.dumps(document))
    except DocumentError:
        return
    for found in description.operations:
        Draft202012Validator.check_schema(found.tool.parameters)
    stored = msgspec.json.encode(description.operations)
    assert msgspec.json.decode(stored, type=tuple[Operation, ...]) == description.operations


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 4000), st.integers(0, 60), st.text(max_size=20), st.booleans())
def test_broken_text_is_read_or_refused_with_a_document_error(start, length, insertion, as_yaml):
    text = yaml.safe_dump(PETS) if as_yaml else json.dumps(PETS)

    try:
        read(text[:start] + insertion + text[start + length :])
    except DocumentError:
        return


def test_yaml_is_not_loaded_before_a_description_is_written_in_it() -> None:
    code = "import sys, errands_server.app; print('yaml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
