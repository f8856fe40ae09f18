import datetime

from errands.v1 import approval_pb2 as _approval_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CallAccess(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CALL_ACCESS_UNSPECIFIED: _ClassVar[CallAccess]
    CALL_ACCESS_NONE: _ClassVar[CallAccess]
    CALL_ACCESS_PASS_THROUGH: _ClassVar[CallAccess]
    CALL_ACCESS_USER: _ClassVar[CallAccess]
    CALL_ACCESS_SHARED: _ClassVar[CallAccess]
    CALL_ACCESS_MISSING: _ClassVar[CallAccess]
CALL_ACCESS_UNSPECIFIED: CallAccess
CALL_ACCESS_NONE: CallAccess
CALL_ACCESS_PASS_THROUGH: CallAccess
CALL_ACCESS_USER: CallAccess
CALL_ACCESS_SHARED: CallAccess
CALL_ACCESS_MISSING: CallAccess

class Preflight(_message.Message):
    __slots__ = ("calls", "missing", "approvals")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[PreflightCall]
    missing: _containers.RepeatedCompositeFieldContainer[MissingConnection]
    approvals: _containers.RepeatedCompositeFieldContainer[ExpectedApproval]
    def __init__(self, calls: _Optional[_Iterable[_Union[PreflightCall, _Mapping]]] = ..., missing: _Optional[_Iterable[_Union[MissingConnection, _Mapping]]] = ..., approvals: _Optional[_Iterable[_Union[ExpectedApproval, _Mapping]]] = ...) -> None: ...

class PreflightCall(_message.Message):
    __slots__ = ("step_id", "integration_id", "integration_name", "tool", "title", "effect", "origin", "access")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_NAME_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    integration_id: str
    integration_name: str
    tool: str
    title: str
    effect: _approval_pb2.CallEffect
    origin: str
    access: CallAccess
    def __init__(self, step_id: _Optional[str] = ..., integration_id: _Optional[str] = ..., integration_name: _Optional[str] = ..., tool: _Optional[str] = ..., title: _Optional[str] = ..., effect: _Optional[_Union[_approval_pb2.CallEffect, str]] = ..., origin: _Optional[str] = ..., access: _Optional[_Union[CallAccess, str]] = ...) -> None: ...

class MissingConnection(_message.Message):
    __slots__ = ("integration_id", "integration_name", "user_id", "scopes", "url", "expires_at")
    INTEGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_NAME_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    integration_id: str
    integration_name: str
    user_id: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    url: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, integration_id: _Optional[str] = ..., integration_name: _Optional[str] = ..., user_id: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., url: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ExpectedApproval(_message.Message):
    __slots__ = ("kind", "step_id", "calls")
    KIND_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    kind: _approval_pb2.ApprovalKind
    step_id: str
    calls: int
    def __init__(self, kind: _Optional[_Union[_approval_pb2.ApprovalKind, str]] = ..., step_id: _Optional[str] = ..., calls: _Optional[int] = ...) -> None: ...
