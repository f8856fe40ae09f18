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

class ConnectionStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONNECTION_STATUS_UNSPECIFIED: _ClassVar[ConnectionStatus]
    CONNECTION_STATUS_ACTIVE: _ClassVar[ConnectionStatus]
    CONNECTION_STATUS_BROKEN: _ClassVar[ConnectionStatus]

class ConnectOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONNECT_OUTCOME_UNSPECIFIED: _ClassVar[ConnectOutcome]
    CONNECT_OUTCOME_CONNECTED: _ClassVar[ConnectOutcome]
    CONNECT_OUTCOME_REFUSED: _ClassVar[ConnectOutcome]
    CONNECT_OUTCOME_UNCONFIRMED: _ClassVar[ConnectOutcome]
CONNECTION_STATUS_UNSPECIFIED: ConnectionStatus
CONNECTION_STATUS_ACTIVE: ConnectionStatus
CONNECTION_STATUS_BROKEN: ConnectionStatus
CONNECT_OUTCOME_UNSPECIFIED: ConnectOutcome
CONNECT_OUTCOME_CONNECTED: ConnectOutcome
CONNECT_OUTCOME_REFUSED: ConnectOutcome
CONNECT_OUTCOME_UNCONFIRMED: ConnectOutcome

class Connection(_message.Message):
    __slots__ = ("id", "integration_id", "user_id", "type", "status", "scopes", "expires_at", "created_at", "updated_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    integration_id: str
    user_id: str
    type: str
    status: ConnectionStatus
    scopes: _containers.RepeatedScalarFieldContainer[str]
    expires_at: _timestamp_pb2.Timestamp
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., integration_id: _Optional[str] = ..., user_id: _Optional[str] = ..., type: _Optional[str] = ..., status: _Optional[_Union[ConnectionStatus, str]] = ..., scopes: _Optional[_Iterable[str]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ConnectSettings(_message.Message):
    __slots__ = ("verifier_url",)
    VERIFIER_URL_FIELD_NUMBER: _ClassVar[int]
    verifier_url: str
    def __init__(self, verifier_url: _Optional[str] = ...) -> None: ...

class GetConnectSettingsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetConnectSettingsResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: ConnectSettings
    def __init__(self, settings: _Optional[_Union[ConnectSettings, _Mapping]] = ...) -> None: ...

class UpdateConnectSettingsRequest(_message.Message):
    __slots__ = ("verifier_url",)
    VERIFIER_URL_FIELD_NUMBER: _ClassVar[int]
    verifier_url: str
    def __init__(self, verifier_url: _Optional[str] = ...) -> None: ...

class UpdateConnectSettingsResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: ConnectSettings
    def __init__(self, settings: _Optional[_Union[ConnectSettings, _Mapping]] = ...) -> None: ...

class CreateConnectionRequest(_message.Message):
    __slots__ = ("integration_id", "user_id", "bearer", "api_key", "basic", "tokens", "api_keys")
    INTEGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    BEARER_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    BASIC_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    API_KEYS_FIELD_NUMBER: _ClassVar[int]
    integration_id: str
    user_id: str
    bearer: ConnectionBearer
    api_key: ConnectionApiKey
    basic: ConnectionBasic
    tokens: ConnectionTokens
    api_keys: ConnectionApiKeys
    def __init__(self, integration_id: _Optional[str] = ..., user_id: _Optional[str] = ..., bearer: _Optional[_Union[ConnectionBearer, _Mapping]] = ..., api_key: _Optional[_Union[ConnectionApiKey, _Mapping]] = ..., basic: _Optional[_Union[ConnectionBasic, _Mapping]] = ..., tokens: _Optional[_Union[ConnectionTokens, _Mapping]] = ..., api_keys: _Optional[_Union[ConnectionApiKeys, _Mapping]] = ...) -> None: ...

class ConnectionBearer(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class ConnectionApiKey(_message.Message):
    __slots__ = ("value", "name")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    IN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    value: str
    name: str
    def __init__(self, value: _Optional[str] = ..., name: _Optional[str] = ..., **kwargs) -> None: ...

class ConnectionApiKeys(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[ConnectionSchemeKey]
    def __init__(self, keys: _Optional[_Iterable[_Union[ConnectionSchemeKey, _Mapping]]] = ...) -> None: ...

class ConnectionSchemeKey(_message.Message):
    __slots__ = ("scheme", "value")
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    scheme: str
    value: str
    def __init__(self, scheme: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class ConnectionBasic(_message.Message):
    __slots__ = ("username", "password")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    username: str
    password: str
    def __init__(self, username: _Optional[str] = ..., password: _Optional[str] = ...) -> None: ...

class ConnectionTokens(_message.Message):
    __slots__ = ("access_token", "refresh_token", "expires_at", "scopes")
    ACCESS_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REFRESH_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    access_token: str
    refresh_token: str
    expires_at: _timestamp_pb2.Timestamp
    scopes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, access_token: _Optional[str] = ..., refresh_token: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., scopes: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateConnectionResponse(_message.Message):
    __slots__ = ("connection",)
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    connection: Connection
    def __init__(self, connection: _Optional[_Union[Connection, _Mapping]] = ...) -> None: ...

class GetConnectionRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetConnectionResponse(_message.Message):
    __slots__ = ("connection",)
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    connection: Connection
    def __init__(self, connection: _Optional[_Union[Connection, _Mapping]] = ...) -> None: ...

class ListConnectionsRequest(_message.Message):
    __slots__ = ("integration_id", "user_id", "page_size", "page_token")
    INTEGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    integration_id: str
    user_id: str
    page_size: int
    page_token: str
    def __init__(self, integration_id: _Optional[str] = ..., user_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListConnectionsResponse(_message.Message):
    __slots__ = ("connections", "next_page_token")
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    connections: _containers.RepeatedCompositeFieldContainer[Connection]
    next_page_token: str
    def __init__(self, connections: _Optional[_Iterable[_Union[Connection, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteConnectionRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeleteConnectionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreateConnectLinkRequest(_message.Message):
    __slots__ = ("integration_id", "user_id", "scopes", "return_url")
    INTEGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    RETURN_URL_FIELD_NUMBER: _ClassVar[int]
    integration_id: str
    user_id: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    return_url: str
    def __init__(self, integration_id: _Optional[str] = ..., user_id: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., return_url: _Optional[str] = ...) -> None: ...

class CreateConnectLinkResponse(_message.Message):
    __slots__ = ("url", "expires_at")
    URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    url: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, url: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ConfirmConnectionRequest(_message.Message):
    __slots__ = ("flow", "user_id")
    FLOW_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    flow: str
    user_id: str
    def __init__(self, flow: _Optional[str] = ..., user_id: _Optional[str] = ...) -> None: ...

class ConfirmConnectionResponse(_message.Message):
    __slots__ = ("connection", "return_url")
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    RETURN_URL_FIELD_NUMBER: _ClassVar[int]
    connection: Connection
    return_url: str
    def __init__(self, connection: _Optional[_Union[Connection, _Mapping]] = ..., return_url: _Optional[str] = ...) -> None: ...

class GetConnectLinkRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class GetConnectLinkResponse(_message.Message):
    __slots__ = ("integration_name", "base_url", "user_id", "scopes", "expires_at", "type", "scope_texts", "page_url", "keys")
    class ScopeTextsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INTEGRATION_NAME_FIELD_NUMBER: _ClassVar[int]
    BASE_URL_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_TEXTS_FIELD_NUMBER: _ClassVar[int]
    PAGE_URL_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    integration_name: str
    base_url: str
    user_id: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    expires_at: _timestamp_pb2.Timestamp
    type: str
    scope_texts: _containers.ScalarMap[str, str]
    page_url: str
    keys: _containers.RepeatedCompositeFieldContainer[ConnectLinkKey]
    def __init__(self, integration_name: _Optional[str] = ..., base_url: _Optional[str] = ..., user_id: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., type: _Optional[str] = ..., scope_texts: _Optional[_Mapping[str, str]] = ..., page_url: _Optional[str] = ..., keys: _Optional[_Iterable[_Union[ConnectLinkKey, _Mapping]]] = ...) -> None: ...

class ConnectLinkKey(_message.Message):
    __slots__ = ("scheme", "name")
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    scheme: str
    name: str
    def __init__(self, scheme: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class BeginConnectRequest(_message.Message):
    __slots__ = ("token", "browser", "bearer", "api_key", "basic", "api_keys", "refuse")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    BROWSER_FIELD_NUMBER: _ClassVar[int]
    BEARER_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    BASIC_FIELD_NUMBER: _ClassVar[int]
    API_KEYS_FIELD_NUMBER: _ClassVar[int]
    REFUSE_FIELD_NUMBER: _ClassVar[int]
    token: str
    browser: str
    bearer: ConnectionBearer
    api_key: ConnectionApiKey
    basic: ConnectionBasic
    api_keys: ConnectionApiKeys
    refuse: bool
    def __init__(self, token: _Optional[str] = ..., browser: _Optional[str] = ..., bearer: _Optional[_Union[ConnectionBearer, _Mapping]] = ..., api_key: _Optional[_Union[ConnectionApiKey, _Mapping]] = ..., basic: _Optional[_Union[ConnectionBasic, _Mapping]] = ..., api_keys: _Optional[_Union[ConnectionApiKeys, _Mapping]] = ..., refuse: _Optional[bool] = ...) -> None: ...

class BeginConnectResponse(_message.Message):
    __slots__ = ("redirect_url", "outcome", "return_url")
    REDIRECT_URL_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    RETURN_URL_FIELD_NUMBER: _ClassVar[int]
    redirect_url: str
    outcome: ConnectOutcome
    return_url: str
    def __init__(self, redirect_url: _Optional[str] = ..., outcome: _Optional[_Union[ConnectOutcome, str]] = ..., return_url: _Optional[str] = ...) -> None: ...

class FinishConnectRequest(_message.Message):
    __slots__ = ("state", "code", "error", "error_description", "iss", "browser")
    STATE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ISS_FIELD_NUMBER: _ClassVar[int]
    BROWSER_FIELD_NUMBER: _ClassVar[int]
    state: str
    code: str
    error: str
    error_description: str
    iss: str
    browser: str
    def __init__(self, state: _Optional[str] = ..., code: _Optional[str] = ..., error: _Optional[str] = ..., error_description: _Optional[str] = ..., iss: _Optional[str] = ..., browser: _Optional[str] = ...) -> None: ...

class FinishConnectResponse(_message.Message):
    __slots__ = ("outcome", "integration_name", "user_id", "return_url")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_NAME_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    RETURN_URL_FIELD_NUMBER: _ClassVar[int]
    outcome: ConnectOutcome
    integration_name: str
    user_id: str
    return_url: str
    def __init__(self, outcome: _Optional[_Union[ConnectOutcome, str]] = ..., integration_name: _Optional[str] = ..., user_id: _Optional[str] = ..., return_url: _Optional[str] = ...) -> None: ...
