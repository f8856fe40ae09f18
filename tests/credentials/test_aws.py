"""Which service and region a host of AWS tells, and signatures that others make the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from errands_server.credentials.aws.sigv4 import AwsSigner, service_and_region
from errands_server.credentials.security_scheme import SecurityScheme


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("sqs.eu-west-1.amazonaws.com", ("sqs", "eu-west-1")),
        ("s3.amazonaws.com", ("s3", "us-east-1")),
        ("s3.eu-central-1.amazonaws.com", ("s3", "eu-central-1")),
        ("s3-eu-west-1.amazonaws.com", ("s3", "eu-west-1")),
        ("my-bucket-1.s3.amazonaws.com", ("s3", "us-east-1")),
        ("us-east-1.s3.ap-southeast-2.amazonaws.com", ("s3", "ap-southeast-2")),
        ("s3.dualstack.us-west-2.amazonaws.com", ("s3", "us-west-2")),
        ("abc123.execute-api.us-gov-west-1.amazonaws.com", ("execute-api", "us-gov-west-1")),
        ("abc123.lambda-url.eu-north-1.on.aws", ("lambda", "eu-north-1")),
        ("search-x-abc.eu-west-1.es.amazonaws.com", ("es", "eu-west-1")),
        ("email.eu-west-1.amazonaws.com", ("ses", "eu-west-1")),
        ("bedrock-runtime.us-east-1.amazonaws.com", ("bedrock", "us-east-1")),
        ("dynamodb-fips.us-east-2.amazonaws.com", ("dynamodb", "us-east-2")),
        ("sqs.cn-north-1.amazonaws.com.cn", ("sqs", "cn-north-1")),
        ("iam.amazonaws.com", ("iam", "us-east-1")),
        ("sqs.eu-west-1.api.aws", ("sqs", "eu-west-1")),
        ("amazonaws.com.example", None),
        ("api.example.com", None),
        ("127.0.0.1:9000", None),
    ],
)
def test_a_host_tells_its_service_and_region(host: str, expected: Any) -> None:
    assert service_and_region(f"https://{host}", {}) == expected


def test_a_document_tells_more_than_its_host() -> None:
    schemes = {"aws": SecurityScheme(kind="apiKey", aws_service="execute-api", aws_region="eu-west-3")}

    assert service_and_region("https://api.example.com", schemes) == ("execute-api", "eu-west-3")
    assert service_and_region("https://sqs.eu-west-1.amazonaws.com", schemes) == ("execute-api", "eu-west-3")


def test_the_example_of_the_specification_is_signed_as_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS General Reference, "Signature Version 4 signing process": IAM's ListUsers, without a token."""
    import datetime

    import botocore.auth

    moment = datetime.datetime(2015, 8, 30, 12, 36, 0, tzinfo=datetime.UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_: moment)
    signer = AwsSigner(
        access_key_id="AKIDEXAMPLE",
        secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        session_token="",
        service="iam",
        region="us-east-1",
    )
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "user-agent": "errands",
        "accept-encoding": "gzip",
        "traceparent": "00-",
    }
    url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08"
    signed = signer.sign("GET", url, headers, None)

    assert signed["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )
    assert signed.items() >= headers.items()
    assert "wJalr" not in f"{signer!r} {SimpleNamespace(signer=signer)}"
