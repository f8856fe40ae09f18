"""What may be passed through: everything wrong is said together, by field, and no value is quoted."""

from __future__ import annotations

from typing import Any

import pytest
from grpc import aio

from errands.v1 import integration_pb2, run_pb2
from tests.contract.conftest import Serve
from tests.okta.provider import private_key
from tests.service import Service, reason, violations

SECRET = "s3cr3t-of-the-test"
SELECTION = "selected_customer_integration_ids"
AWS = {"accessKeyId": "ASIA0000000000000000", "secretAccessKey": SECRET, "sessionToken": SECRET}
ROLE = {"roleArn": "arn:aws:iam::123456789012:role/path/partner", "externalId": "external-1"}
OKTA = {
    "clientId": "app",
    "kid": "k",
    "privateKey": private_key(),
    "oauthTokenUrl": "https://org.okta.com/oauth2/v1/token",
    "scope": "okta.users.read okta.groups.read",
}
KINDS = (
    "must hold exactly the keys of AWS temporary credentials (accessKeyId, secretAccessKey, sessionToken), "
    "of an AWS role (roleArn, externalId) or of an Okta service app (clientId, kid, privateKey, "
    "oauthTokenUrl, scope, perhaps host)"
)
LONG = "x" * 8_193
PRINTABLE = "must be 1 to 8192 printable ASCII characters"
UNTOLD = (
    "the host does not tell the AWS service and region; name them in a security scheme of the document, "
    "as x-errands-aws: {service, region}"
)

# What is passed through to the one integration, and what is wrong with it, by field below the entry.
WRONG: list[tuple[dict[str, dict[str, str]], dict[str, str]]] = [
    ({}, {"": "passes nothing through; give headers, query or values"}),
    ({"headers": {"Host": "a"}}, {".headers.host": "cannot be passed through"}),
    *(
        ({"headers": {name: "a"}}, {f".headers.{name}": "cannot be passed through"})
        for name in (
            *("connection", "content-length", "content-type", "idempotency-key", "keep-alive"),
            *("proxy-authorization", "te", "trailer", "transfer-encoding", "traceparent", "upgrade"),
        )
    ),
    ({"headers": {"a b": SECRET}}, {".headers": "has a name that is none of a header"}),
    ({"headers": {"x\r\ny": SECRET}}, {".headers": "has a name that is none of a header"}),
    ({"headers": {"X-A": SECRET, "x-a": SECRET}}, {".headers": "names a header twice"}),
    *(
        ({"headers": {"x-a": value}}, {".headers.x-a": PRINTABLE})
        for value in ("", f"{SECRET}\r\nx: y", f" {SECRET}", "ü", LONG)
    ),
    ({"query": {"": SECRET}}, {".query": "has a name that is not 1 to 255 printable characters"}),
    ({"query": {"k": LONG}}, {".query.k": "must be at most 8192 characters without NUL"}),
    ({"headers": {f"x-{n}": "a" for n in range(51)}}, {".headers": "has 51 entries; it must have 0 to 50"}),
    ({"values": {"token": SECRET}}, {".values": KINDS}),
    ({"values": {SECRET + "!": SECRET}}, {".values": KINDS}),
    ({"values": {**AWS, **ROLE}}, {".values": f"holds keys of more than one kind; it {KINDS}"}),
    ({"values": {**AWS, "region": "x"}}, {".values.region": "is unknown"}),
    ({"values": {**AWS, f"{SECRET} !": "x"}}, {".values": "holds an unknown key"}),
    (
        {"values": {"accessKeyId": SECRET, "sessionToken": ""}},
        {".values.secretAccessKey": "is required", ".values.sessionToken": PRINTABLE},
    ),
    (
        {"values": {"roleArn": SECRET, "externalId": f"{SECRET} \n"}},
        {
            ".values.roleArn": "must be the ARN of an IAM role",
            ".values.externalId": "must be 2 to 1224 letters, digits and +=,.@:/-",
        },
    ),
    (
        {"values": {**OKTA, "privateKey": SECRET, "oauthTokenUrl": f"https://u:{SECRET}@org.okta.com/"}},
        {
            ".values.privateKey": "must be an RSA private key of 2048 bits or more, PEM, not encrypted",
            ".values.oauthTokenUrl": "must be an http or https URL without user, password and fragment",
        },
    ),
    (
        {"values": {**OKTA, "oauthTokenUrl": "file:///etc/passwd"}},
        {".values.oauthTokenUrl": "must be an http"},
    ),
    (
        {"values": {**OKTA, "oauthTokenUrl": "http://org.okta.com/t"}},
        {".values.oauthTokenUrl": "must be an https"},
    ),
    (
        {"values": {**OKTA, "host": "org.okta.com"}},
        {".values.host": "is not where the integration's calls go"},
    ),
    (
        {"values": OKTA, "headers": {"Authorization": f"Bearer {SECRET}"}},
        {".headers": "authorization is set by `values`; give one of them"},
    ),
    ({"values": AWS}, {".values": UNTOLD}),
]


async def passing(service: Service, *entries: run_pb2.PassThrough, **fields: Any) -> dict[str, str]:
    """What is wrong with passing these through."""
    with pytest.raises(aio.AioRpcError) as refused:
        await service.create("do", pass_through=entries, **fields)
    assert reason(refused.value) == "FIELD_INVALID"
    found = f"{refused.value!r} {refused.value.trailing_metadata()}"
    assert SECRET not in found
    assert SECRET.encode().hex() not in found
    return violations(refused.value)


async def desk_id(service: Service) -> str:
    listed = await service.integrations.ListIntegrations(integration_pb2.ListIntegrationsRequest())
    return str(listed.integrations[0].id)


async def test_everything_wrong_is_said_by_field_and_no_value_is_quoted(serve: Serve) -> None:
    async with serve() as service:
        integration = await desk_id(service)
        for given, expected in WRONG:
            entry = run_pb2.PassThrough(customer_integration_id=integration, **given)
            found = await passing(service, entry)

            assert found.keys() == {f"pass_through[0]{field}" for field in expected}, given.keys()
            for field, message in expected.items():
                assert found[f"pass_through[0]{field}"].startswith(message)


async def test_all_entries_and_all_other_fields_are_looked_at_together(serve: Serve) -> None:
    async with serve() as service:
        integration = await desk_id(service)
        good = {"headers": {"x-a": SECRET}}
        found = await passing(
            service,
            run_pb2.PassThrough(customer_integration_id=integration, **good),
            run_pb2.PassThrough(customer_integration_id=integration, **good),
            run_pb2.PassThrough(customer_integration_id="nobody_1", headers={"Host": SECRET}),
            run_pb2.PassThrough(**good),
            user_id="",
        )

    assert found == {
        "user_id": "must not be empty",
        "pass_through[1].customer_integration_id": f"{integration!r} is there already",
        "pass_through[2].customer_integration_id": "'nobody_1' is no integration of the selection",
        "pass_through[2].headers.host": "cannot be passed through",
        "pass_through[3].customer_integration_id": "'' is no integration of the selection",
    }


async def test_what_lies_outside_the_selection_is_refused(serve: Serve) -> None:
    async with serve() as service:
        integration = await desk_id(service)
        entry = run_pb2.PassThrough(customer_integration_id=integration, headers={"x-a": SECRET})
        other = await service.stranger()
        found = await passing(other, entry)

    field = "pass_through[0].customer_integration_id"
    assert found == {field: f"{integration!r} is no integration of the selection"}


async def test_there_is_a_bound_to_it_all(serve: Serve) -> None:
    async with serve() as service:
        integration = await desk_id(service)
        entry = run_pb2.PassThrough(
            customer_integration_id=integration, headers={f"x-{n}": "x" * 8_000 for n in range(5)}
        )
        found = await passing(service, entry)

    assert found == {"pass_through": "has more than 32768 characters altogether"}


async def test_fields_are_named_in_the_order_of_the_request_and_form_before_fit(serve: Serve) -> None:
    async with serve() as service:
        integration = await desk_id(service)
        entries = (
            run_pb2.PassThrough(customer_integration_id="nobody_1", headers={"x-a": SECRET}),
            run_pb2.PassThrough(customer_integration_id=integration, headers={"Host": SECRET}),
        )
        with pytest.raises(aio.AioRpcError) as refused:
            await service.create(
                "", integration, "nobody_2", pass_through=entries, context=SECRET, user_id="", request_id="é"
            )

    assert list(violations(refused.value)) == [
        "intent",
        f"{SELECTION}[1]",
        "pass_through[1].headers.host",
        "pass_through[0].customer_integration_id",
        "context",
        "user_id",
        "request_id",
    ]
