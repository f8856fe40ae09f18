"""Names: the server speaks of fields as gRPC has them, REST as REST has them."""

from __future__ import annotations

import re

import pytest

from errands.v1 import approval_pb2, audit_pb2, connection_pb2, integration_pb2, key_pb2, run_pb2
from errands_gateway.rest.openapi import document
from errands_gateway.v1 import field_names
from errands_gateway.v1.dialect import V1

# Fields REST has no name for: it takes finished runs as they are, and browsers prove themselves by a cookie.
ONLY_GRPC = {"explain", "allow_finished", "browser"}
# Names that are not ours to choose (RFC 6749).
OAUTH = {"error_description"}


def known() -> set[str]:
    """Every name a REST request may hold: parameters, headers and members of bodies."""
    described = document(V1)
    found = {
        parameter["name"]
        for methods in described["paths"].values()
        for operation in methods.values()
        for parameter in operation["parameters"]
    }
    for schema in described["components"]["schemas"].values():
        found |= set(schema.get("properties", {}))
    return found


@pytest.mark.parametrize(
    "module", [approval_pb2, audit_pb2, connection_pb2, integration_pb2, key_pb2, run_pb2]
)
def test_every_field_of_a_request_has_the_name_that_rest_gives_it(module: object) -> None:
    taken = known()
    for service in module.DESCRIPTOR.services_by_name.values():  # type: ignore[attr-defined] # generated
        for method in service.methods:
            for field in method.input_type.fields:
                if field.name not in ONLY_GRPC:
                    assert field_names.rest_path(field.name).partition(".")[0] in taken, (
                        f"{method.name} {field.name}"
                    )


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("selected_customer_integration_ids[3]", "selectedCustomerIntegrationIds[3]"),
        ("output_schema_json", "outputSchema"),
        ("request_id", "Idempotency-Key"),
        ("plan_wait_ms", "Prefer"),
        ("after_sequence", "after"),
        ("decisions[0].output_json", "decisions[0].output"),
        ("decisions[12].approval_id", "decisions[12].approvalId"),
        ("openapi_url", "openapi.url"),
        ("openapi_document", "openapi.document"),
        ("mcp_url", "mcp.url"),
        ("mcp_server", "mcp.server"),
        ("credential", "auth"),
        ("credential.api_key.name", "auth.name"),
        ("credential.basic.username", "auth.username"),
        ("bearer.token", "auth.token"),
        ("tokens.access_token", "auth.accessToken"),
        ("oauth_client.refresh_url", "oauthClient.refreshUrl"),
        ("honours_idempotency_keys", "honoursIdempotencyKeys"),
    ],
)
def test_a_path_in_a_grpc_request_is_one_in_a_rest_request(field: str, expected: str) -> None:
    assert field_names.rest_path(field) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("give openapi_url or openapi_document", "give openapi.url or openapi.document"),
        ("goes only with credential", "goes only with auth"),
        ("does not go with credential", "does not go with auth"),
        ("goes only with DECISION_DONE", "goes only with done"),
        (
            "DONE does not fit a CALLS approval; choose one of APPROVE, DENY",
            "done does not fit a CALLS approval; choose one of approve, deny",
        ),
        ("only together with validate_only", "only together with validateOnly"),
        (
            "'page_size' is no active integration of this tenant",
            "'page_size' is no active integration of this tenant",
        ),
        ("another integration is called 'DECISION_DONE'", "another integration is called 'DECISION_DONE'"),
        ("the run has ended with SUCCESS", "the run has ended with SUCCESS"),
        (
            "send the credential for it, or remove the stored one",
            "send the credential for it, or remove the stored one",
        ),
    ],
)
def test_messages_have_the_names_of_rest_and_what_they_quote_stays(message: str, expected: str) -> None:
    assert field_names.rest_text(message) == expected


def test_no_component_has_a_name_in_the_manner_of_grpc() -> None:
    assert not [name for name in known() - OAUTH if re.search(r"[a-z]_[a-z]", name)]
