import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IntegrationStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INTEGRATION_STATUS_UNSPECIFIED: _ClassVar[IntegrationStatus]
    INTEGRATION_STATUS_ACTIVE: _ClassVar[IntegrationStatus]
    INTEGRATION_STATUS_INACTIVE: _ClassVar[IntegrationStatus]
INTEGRATION_STATUS_UNSPECIFIED: IntegrationStatus
INTEGRATION_STATUS_ACTIVE: IntegrationStatus
INTEGRATION_STATUS_INACTIVE: IntegrationStatus

class Integration(_message.Message):
    __slots__ = ("id", "name", "kind", "status", "base_url", "internal", "revision", "tool_count", "auth", "created_at", "left_out", "rate_limit", "max_concurrency")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BASE_URL_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TOOL_COUNT_FIELD_NUMBER: _ClassVar[int]
    AUTH_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    kind: str
    status: IntegrationStatus
    base_url: str
    internal: bool
    revision: int
    tool_count: int
    auth: IntegrationAuth
    created_at: _timestamp_pb2.Timestamp
    left_out: _containers.RepeatedScalarFieldContainer[str]
    rate_limit: str
    max_concurrency: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[str] = ..., status: _Optional[_Union[IntegrationStatus, str]] = ..., base_url: _Optional[str] = ..., internal: _Optional[bool] = ..., revision: _Optional[int] = ..., tool_count: _Optional[int] = ..., auth: _Optional[_Union[IntegrationAuth, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., left_out: _Optional[_Iterable[str]] = ..., rate_limit: _Optional[str] = ..., max_concurrency: _Optional[int] = ...) -> None: ...

class IntegrationAuth(_message.Message):
    __slots__ = ("type", "shared", "schemes", "oauth_client")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    SCHEMES_FIELD_NUMBER: _ClassVar[int]
    OAUTH_CLIENT_FIELD_NUMBER: _ClassVar[int]
    type: str
    shared: bool
    schemes: _containers.RepeatedScalarFieldContainer[str]
    oauth_client: OAuthClient
    def __init__(self, type: _Optional[str] = ..., shared: _Optional[bool] = ..., schemes: _Optional[_Iterable[str]] = ..., oauth_client: _Optional[_Union[OAuthClient, _Mapping]] = ...) -> None: ...

class OAuthClient(_message.Message):
    __slots__ = ("client_id", "client_secret", "issuer", "authorization_url", "token_url", "scopes", "token_auth_method", "resource", "grant", "refresh_url")
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SECRET_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZATION_URL_FIELD_NUMBER: _ClassVar[int]
    TOKEN_URL_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_AUTH_METHOD_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    REFRESH_URL_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    client_secret: str
    issuer: str
    authorization_url: str
    token_url: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    token_auth_method: str
    resource: str
    grant: str
    refresh_url: str
    def __init__(self, client_id: _Optional[str] = ..., client_secret: _Optional[str] = ..., issuer: _Optional[str] = ..., authorization_url: _Optional[str] = ..., token_url: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., token_auth_method: _Optional[str] = ..., resource: _Optional[str] = ..., grant: _Optional[str] = ..., refresh_url: _Optional[str] = ...) -> None: ...

class IntegrationCredential(_message.Message):
    __slots__ = ("bearer", "api_key", "basic", "api_keys")
    BEARER_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    BASIC_FIELD_NUMBER: _ClassVar[int]
    API_KEYS_FIELD_NUMBER: _ClassVar[int]
    bearer: BearerCredential
    api_key: ApiKeyCredential
    basic: BasicCredential
    api_keys: ApiKeysCredential
    def __init__(self, bearer: _Optional[_Union[BearerCredential, _Mapping]] = ..., api_key: _Optional[_Union[ApiKeyCredential, _Mapping]] = ..., basic: _Optional[_Union[BasicCredential, _Mapping]] = ..., api_keys: _Optional[_Union[ApiKeysCredential, _Mapping]] = ...) -> None: ...

class BearerCredential(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class ApiKeyCredential(_message.Message):
    __slots__ = ("name", "value")
    IN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ..., **kwargs) -> None: ...

class ApiKeysCredential(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[ApiKeyCredential]
    def __init__(self, keys: _Optional[_Iterable[_Union[ApiKeyCredential, _Mapping]]] = ...) -> None: ...

class BasicCredential(_message.Message):
    __slots__ = ("username", "password")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    username: str
    password: str
    def __init__(self, username: _Optional[str] = ..., password: _Optional[str] = ...) -> None: ...

class Tool(_message.Message):
    __slots__ = ("name", "title", "description", "read_only", "method", "path", "parameters_json", "output_json", "secured", "deprecated")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_JSON_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_JSON_FIELD_NUMBER: _ClassVar[int]
    SECURED_FIELD_NUMBER: _ClassVar[int]
    DEPRECATED_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    description: str
    read_only: bool
    method: str
    path: str
    parameters_json: str
    output_json: str
    secured: bool
    deprecated: bool
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., description: _Optional[str] = ..., read_only: _Optional[bool] = ..., method: _Optional[str] = ..., path: _Optional[str] = ..., parameters_json: _Optional[str] = ..., output_json: _Optional[str] = ..., secured: _Optional[bool] = ..., deprecated: _Optional[bool] = ...) -> None: ...

class CreateIntegrationRequest(_message.Message):
    __slots__ = ("name", "openapi_url", "openapi_document", "base_url", "internal", "credential", "shared_credential", "honours_idempotency_keys", "oauth_client", "mcp_url", "mcp_server", "rate_limit", "max_concurrency")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPENAPI_URL_FIELD_NUMBER: _ClassVar[int]
    OPENAPI_DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    BASE_URL_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    SHARED_CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    HONOURS_IDEMPOTENCY_KEYS_FIELD_NUMBER: _ClassVar[int]
    OAUTH_CLIENT_FIELD_NUMBER: _ClassVar[int]
    MCP_URL_FIELD_NUMBER: _ClassVar[int]
    MCP_SERVER_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    name: str
    openapi_url: str
    openapi_document: str
    base_url: str
    internal: bool
    credential: IntegrationCredential
    shared_credential: bool
    honours_idempotency_keys: bool
    oauth_client: OAuthClient
    mcp_url: str
    mcp_server: str
    rate_limit: str
    max_concurrency: int
    def __init__(self, name: _Optional[str] = ..., openapi_url: _Optional[str] = ..., openapi_document: _Optional[str] = ..., base_url: _Optional[str] = ..., internal: _Optional[bool] = ..., credential: _Optional[_Union[IntegrationCredential, _Mapping]] = ..., shared_credential: _Optional[bool] = ..., honours_idempotency_keys: _Optional[bool] = ..., oauth_client: _Optional[_Union[OAuthClient, _Mapping]] = ..., mcp_url: _Optional[str] = ..., mcp_server: _Optional[str] = ..., rate_limit: _Optional[str] = ..., max_concurrency: _Optional[int] = ...) -> None: ...

class CreateIntegrationResponse(_message.Message):
    __slots__ = ("integration",)
    INTEGRATION_FIELD_NUMBER: _ClassVar[int]
    integration: Integration
    def __init__(self, integration: _Optional[_Union[Integration, _Mapping]] = ...) -> None: ...

class GetIntegrationRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetIntegrationResponse(_message.Message):
    __slots__ = ("integration",)
    INTEGRATION_FIELD_NUMBER: _ClassVar[int]
    integration: Integration
    def __init__(self, integration: _Optional[_Union[Integration, _Mapping]] = ...) -> None: ...

class ListIntegrationsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListIntegrationsResponse(_message.Message):
    __slots__ = ("integrations", "next_page_token")
    INTEGRATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    integrations: _containers.RepeatedCompositeFieldContainer[Integration]
    next_page_token: str
    def __init__(self, integrations: _Optional[_Iterable[_Union[Integration, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateIntegrationRequest(_message.Message):
    __slots__ = ("id", "name", "openapi_url", "openapi_document", "base_url", "credential", "shared_credential", "remove_credential", "status", "honours_idempotency_keys", "oauth_client", "remove_oauth_client", "mcp_url", "mcp_server", "rate_limit", "max_concurrency")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPENAPI_URL_FIELD_NUMBER: _ClassVar[int]
    OPENAPI_DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    BASE_URL_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    SHARED_CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    REMOVE_CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    HONOURS_IDEMPOTENCY_KEYS_FIELD_NUMBER: _ClassVar[int]
    OAUTH_CLIENT_FIELD_NUMBER: _ClassVar[int]
    REMOVE_OAUTH_CLIENT_FIELD_NUMBER: _ClassVar[int]
    MCP_URL_FIELD_NUMBER: _ClassVar[int]
    MCP_SERVER_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    openapi_url: str
    openapi_document: str
    base_url: str
    credential: IntegrationCredential
    shared_credential: bool
    remove_credential: bool
    status: IntegrationStatus
    honours_idempotency_keys: bool
    oauth_client: OAuthClient
    remove_oauth_client: bool
    mcp_url: str
    mcp_server: str
    rate_limit: str
    max_concurrency: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., openapi_url: _Optional[str] = ..., openapi_document: _Optional[str] = ..., base_url: _Optional[str] = ..., credential: _Optional[_Union[IntegrationCredential, _Mapping]] = ..., shared_credential: _Optional[bool] = ..., remove_credential: _Optional[bool] = ..., status: _Optional[_Union[IntegrationStatus, str]] = ..., honours_idempotency_keys: _Optional[bool] = ..., oauth_client: _Optional[_Union[OAuthClient, _Mapping]] = ..., remove_oauth_client: _Optional[bool] = ..., mcp_url: _Optional[str] = ..., mcp_server: _Optional[str] = ..., rate_limit: _Optional[str] = ..., max_concurrency: _Optional[int] = ...) -> None: ...

class UpdateIntegrationResponse(_message.Message):
    __slots__ = ("integration", "tools_added", "tools_removed", "tools_changed")
    INTEGRATION_FIELD_NUMBER: _ClassVar[int]
    TOOLS_ADDED_FIELD_NUMBER: _ClassVar[int]
    TOOLS_REMOVED_FIELD_NUMBER: _ClassVar[int]
    TOOLS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    integration: Integration
    tools_added: _containers.RepeatedScalarFieldContainer[str]
    tools_removed: _containers.RepeatedScalarFieldContainer[str]
    tools_changed: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, integration: _Optional[_Union[Integration, _Mapping]] = ..., tools_added: _Optional[_Iterable[str]] = ..., tools_removed: _Optional[_Iterable[str]] = ..., tools_changed: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteIntegrationRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeleteIntegrationResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListToolsRequest(_message.Message):
    __slots__ = ("id", "page_size", "page_token")
    ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    id: str
    page_size: int
    page_token: str
    def __init__(self, id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListToolsResponse(_message.Message):
    __slots__ = ("tools", "next_page_token")
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tools: _containers.RepeatedCompositeFieldContainer[Tool]
    next_page_token: str
    def __init__(self, tools: _Optional[_Iterable[_Union[Tool, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
