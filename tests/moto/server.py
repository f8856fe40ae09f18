"""AWS on loopback that verifies signatures, with a user, a role, a bucket and a queue."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from botocore.session import Session

from tests.environments import python_with

PACKAGE = "moto[server]==5.2.5"
REGION = "eu-west-1"
BUCKET, QUEUE = "reports", "jobs"
_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}


class Moto:
    """Where it listens, what its user has, and its role."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.role = ""
        self.user: dict[str, str] = {}

    def client(self, service: str, keys: Mapping[str, str] | None = None) -> Any:
        """AWS's own client of a service, with these keys."""
        given = keys or {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "any"}
        return Session().create_client(service, region_name=REGION, endpoint_url=self.url, **given)

    def temporary(self) -> dict[str, str]:
        """Keys as somebody passes them through, who assumed the role by themselves."""
        sts = self.client("sts", self.user)
        found = sts.assume_role(RoleArn=self.role, RoleSessionName="elsewhere")["Credentials"]
        return {
            "accessKeyId": found["AccessKeyId"],
            "secretAccessKey": found["SecretAccessKey"],
            "sessionToken": found["SessionToken"],
        }

    def verify(self) -> None:
        """From now on a request without a right signature is refused."""
        httpx2.post(f"{self.url}/moto-api/reset-auth", content=b"0").raise_for_status()

    def prepare(self) -> None:
        """Make a user, a role, a bucket and a queue."""
        iam = self.client("iam")
        iam.create_user(UserName="errands")
        iam.put_user_policy(UserName="errands", PolicyName="all", PolicyDocument=json.dumps(_ALL))
        key = iam.create_access_key(UserName="errands")["AccessKey"]
        self.user = {
            "aws_access_key_id": key["AccessKeyId"],
            "aws_secret_access_key": key["SecretAccessKey"],
        }
        made = iam.create_role(RoleName="partner", AssumeRolePolicyDocument=json.dumps(_TRUST))
        self.role = made["Role"]["Arn"]
        iam.put_role_policy(RoleName="partner", PolicyName="all", PolicyDocument=json.dumps(_ALL))
        self.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        self.client("sqs").create_queue(QueueName=QUEUE)

    def document(self, service: str, paths: Mapping[str, Any]) -> str:
        """A description of a service of AWS, which says what its host would."""
        aws = {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "x-errands-aws": {"service": service, "region": REGION},
        }
        return json.dumps(
            {
                "openapi": "3.1.0",
                "info": {"title": service, "version": "1"},
                "servers": [{"url": self.url}],
                "security": [{"aws": []}],
                "components": {"securitySchemes": {"aws": aws}},
                "paths": paths,
            }
        )


@contextmanager
def moto() -> Iterator[Moto]:
    """A server that is ready and verifies signatures."""
    python = python_with(PACKAGE)
    process = subprocess.Popen(
        [str(python), str(Path(__file__).with_name("serve.py"))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "the server did not start"
        started = Moto(url)
        started.prepare()
        started.verify()
        yield started
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
