"""Runs that call AWS: signed with keys that came with the run, or with a role that is assumed for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from grpc import aio

from errands.v1 import event_pb2 as pb
from errands.v1 import run_pb2
from tests.journeys.conftest import Serve
from tests.moto.server import BUCKET, QUEUE, Moto, moto
from tests.scripted import Scene
from tests.service import Service, violations

pytestmark = pytest.mark.counterparts

MESSAGE = "hello=wörld&1"  # without a space: the counterpart verifies forms as it would write them itself
KEY = "März 1+2 = ~3.txt"
TEXT = {"type": "string"}
ANSWERS = {"200": {"description": "Done."}}
_OBJECT = [{"name": "Key", "in": "path", "required": True, "schema": TEXT}]
S3 = {
    f"/{BUCKET}/{{Key}}": {
        "put": {
            "operationId": "putObject",
            "summary": "Put an object",
            "parameters": _OBJECT,
            "requestBody": {"required": True, "content": {"text/plain": {"schema": TEXT}}},
            "responses": ANSWERS,
        },
        "get": {
            "operationId": "getObject",
            "summary": "Get an object",
            "parameters": [*_OBJECT, {"name": "response-content-type", "in": "query", "schema": TEXT}],
            "responses": ANSWERS,
        },
    }
}
_FORM = {
    "type": "object",
    "required": ["Action", "QueueUrl", "MessageBody"],
    "properties": {"Action": {"const": "SendMessage"}, "QueueUrl": TEXT, "MessageBody": TEXT},
}
SQS = {
    "/": {
        "post": {
            "operationId": "sendMessage",
            "summary": "Send a message",
            "requestBody": {
                "required": True,
                "content": {"application/x-www-form-urlencoded": {"schema": _FORM}},
            },
            "responses": ANSWERS,
        }
    }
}
PUT = Scene("putObject", {"Key": KEY, "body": "grün & 1+1"})
GET = Scene("getObject", {"Key": KEY, "response-content-type": "text/plain; a=ü+/"}, after=["s1"])
ROLE = {"externalId": "partner-7f3a"}


@pytest.fixture(scope="module")
def aws() -> Iterator[Moto]:
    with moto() as started:
        yield started


@pytest.fixture(autouse=True)
def identity(aws: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's own, as AWS's tools find it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.user["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.user["aws_secret_access_key"])


def send(aws: Moto, text: str) -> Scene:
    body = {"Action": "SendMessage", "QueueUrl": f"{aws.url}/123456789012/{QUEUE}", "MessageBody": text}
    return Scene("sendMessage", {"body": body})


async def finish(service: Service, *passed: run_pb2.PassThrough) -> run_pb2.Run:
    created = await service.create("go", pass_through=passed)
    return await service.finished(created.run_id)


def passing(integration: str, values: dict[str, str]) -> run_pb2.PassThrough:
    return run_pb2.PassThrough(customer_integration_id=integration, values=values)


def said(run: run_pb2.Run) -> str:
    return f"{run.error.message}"


async def test_objects_and_messages_are_signed_with_temporary_keys(serve: Serve, aws: Moto) -> None:
    keys = aws.temporary()
    async with serve(PUT, GET, send(aws, MESSAGE)) as service:
        s3 = await service.add_document(aws.document("s3", S3), "storage")
        sqs = await service.add_document(aws.document("sqs", SQS), "queues")
        run = await finish(service, passing(s3, keys), passing(sqs, keys))

    assert run.status == pb.RUN_STATUS_SUCCESS, said(run)
    assert [step["output"] for step in json.loads(run.result_json)["steps"]][1] == "grün & 1+1"
    queues = aws.client("sqs", aws.user)
    found = queues.receive_message(QueueUrl=f"{aws.url}/123456789012/{QUEUE}")["Messages"]
    assert MESSAGE in [message["Body"] for message in found]


async def test_a_role_is_assumed_once_for_many_runs(serve: Serve, aws: Moto) -> None:
    aws.client("s3", aws.user).put_object(Bucket=BUCKET, Key=KEY, Body=b"there")
    async with serve(Scene("getObject", {"Key": KEY}), aws_sts_endpoint=aws.url) as service:
        s3 = await service.add_document(aws.document("s3", S3), "storage")
        role = passing(s3, {"roleArn": aws.role, **ROLE})
        before = sessions(aws)
        runs = await asyncio.gather(*(finish(service, role) for _ in range(10)))

    assert {said(run) for run in runs} == {""}
    assert sessions(aws) == before + 1


def sessions(aws: Moto) -> int:
    """How many sessions of the role there are, as the server's own pages tell."""
    data = httpx2.get(f"{aws.url}/moto-api/data.json").json()
    return len(data.get("sts", {}).get("AssumedRole", []))


@pytest.mark.parametrize("wrong", ["secretAccessKey", "accessKeyId"])
async def test_a_wrong_signature_is_refused_in_words_that_hold_no_secret(
    serve: Serve, aws: Moto, wrong: str
) -> None:
    keys = {**aws.temporary(), wrong: "ASIAWRONGWRONGWRONG7"}
    async with serve(PUT) as service:
        s3 = await service.add_document(aws.document("s3", S3), "storage")
        run = await finish(service, passing(s3, keys))
        events = await service.events(run.run_id, include_tool_calls=True)

    assert run.status == pb.RUN_STATUS_NO_SUCCESS
    assert run.error.reason == "SERVICE_REFUSED"
    assert "403" in said(run)
    assert not [key for key in keys.values() if key in f"{run}{events}"]


async def test_a_role_that_cannot_be_assumed_is_a_clear_failure(
    serve: Serve, aws: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    async with serve(PUT, aws_sts_endpoint=aws.url) as service:
        s3 = await service.add_document(aws.document("s3", S3), "storage")
        run = await finish(service, passing(s3, {"roleArn": aws.role, **ROLE}))

    assert run.error.reason == "CREDENTIALS_INVALID"
    assert "AWS STS refused the role: SignatureDoesNotMatch" in said(run)


async def test_roles_are_assumed_only_where_the_operator_allows_it(serve: Serve, aws: Moto) -> None:
    async with serve(PUT) as service:
        s3 = await service.add_document(aws.document("s3", S3), "storage")
        with pytest.raises(aio.AioRpcError) as refused:
            await finish(service, passing(s3, {"roleArn": aws.role, **ROLE}))

    assert violations(refused.value) == {
        "pass_through[0].values": "this server assumes no AWS roles; its operator may allow it "
        "with --aws-sts-endpoint"
    }


async def test_a_host_that_does_not_tell_the_service_is_refused_at_create(serve: Serve, aws: Moto) -> None:
    plain: Any = json.loads(aws.document("s3", S3))
    del plain["components"]["securitySchemes"]["aws"]["x-errands-aws"]
    async with serve(PUT) as service:
        s3 = await service.add_document(json.dumps(plain), "storage")
        with pytest.raises(aio.AioRpcError) as refused:
            await finish(service, passing(s3, aws.temporary()))

    assert "x-errands-aws" in violations(refused.value)["pass_through[0].values"]
