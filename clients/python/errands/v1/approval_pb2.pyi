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

class ApprovalKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    APPROVAL_KIND_UNSPECIFIED: _ClassVar[ApprovalKind]
    APPROVAL_KIND_PLAN: _ClassVar[ApprovalKind]
    APPROVAL_KIND_CALLS: _ClassVar[ApprovalKind]
    APPROVAL_KIND_IN_DOUBT: _ClassVar[ApprovalKind]
    APPROVAL_KIND_INPUT: _ClassVar[ApprovalKind]

class Decision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_UNSPECIFIED: _ClassVar[Decision]
    DECISION_APPROVE: _ClassVar[Decision]
    DECISION_DENY: _ClassVar[Decision]
    DECISION_RETRY: _ClassVar[Decision]
    DECISION_DONE: _ClassVar[Decision]
    DECISION_FAIL: _ClassVar[Decision]

class ApprovalStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    APPROVAL_STATUS_UNSPECIFIED: _ClassVar[ApprovalStatus]
    APPROVAL_STATUS_PENDING: _ClassVar[ApprovalStatus]
    APPROVAL_STATUS_DECIDED: _ClassVar[ApprovalStatus]
    APPROVAL_STATUS_EXPIRED: _ClassVar[ApprovalStatus]
    APPROVAL_STATUS_CLOSED: _ClassVar[ApprovalStatus]

class CallEffect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CALL_EFFECT_UNSPECIFIED: _ClassVar[CallEffect]
    CALL_EFFECT_READ: _ClassVar[CallEffect]
    CALL_EFFECT_WRITE: _ClassVar[CallEffect]
APPROVAL_KIND_UNSPECIFIED: ApprovalKind
APPROVAL_KIND_PLAN: ApprovalKind
APPROVAL_KIND_CALLS: ApprovalKind
APPROVAL_KIND_IN_DOUBT: ApprovalKind
APPROVAL_KIND_INPUT: ApprovalKind
DECISION_UNSPECIFIED: Decision
DECISION_APPROVE: Decision
DECISION_DENY: Decision
DECISION_RETRY: Decision
DECISION_DONE: Decision
DECISION_FAIL: Decision
APPROVAL_STATUS_UNSPECIFIED: ApprovalStatus
APPROVAL_STATUS_PENDING: ApprovalStatus
APPROVAL_STATUS_DECIDED: ApprovalStatus
APPROVAL_STATUS_EXPIRED: ApprovalStatus
APPROVAL_STATUS_CLOSED: ApprovalStatus
CALL_EFFECT_UNSPECIFIED: CallEffect
CALL_EFFECT_READ: CallEffect
CALL_EFFECT_WRITE: CallEffect

class Approval(_message.Message):
    __slots__ = ("approval_id", "run_id", "kind", "step_id", "text", "calls", "hash", "created_at", "expires_at", "choices", "actions", "status", "decision", "actor", "reason", "decided_at", "user_id", "question", "input_json")
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    INPUT_JSON_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    run_id: str
    kind: ApprovalKind
    step_id: str
    text: str
    calls: _containers.RepeatedCompositeFieldContainer[ApprovalCall]
    hash: str
    created_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    choices: _containers.RepeatedScalarFieldContainer[Decision]
    actions: _containers.RepeatedCompositeFieldContainer[ApprovalAction]
    status: ApprovalStatus
    decision: Decision
    actor: str
    reason: str
    decided_at: _timestamp_pb2.Timestamp
    user_id: str
    question: ApprovalQuestion
    input_json: str
    def __init__(self, approval_id: _Optional[str] = ..., run_id: _Optional[str] = ..., kind: _Optional[_Union[ApprovalKind, str]] = ..., step_id: _Optional[str] = ..., text: _Optional[str] = ..., calls: _Optional[_Iterable[_Union[ApprovalCall, _Mapping]]] = ..., hash: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., choices: _Optional[_Iterable[_Union[Decision, str]]] = ..., actions: _Optional[_Iterable[_Union[ApprovalAction, _Mapping]]] = ..., status: _Optional[_Union[ApprovalStatus, str]] = ..., decision: _Optional[_Union[Decision, str]] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ..., decided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., user_id: _Optional[str] = ..., question: _Optional[_Union[ApprovalQuestion, _Mapping]] = ..., input_json: _Optional[str] = ...) -> None: ...

class ApprovalQuestion(_message.Message):
    __slots__ = ("message", "schema_json", "said")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    SAID_FIELD_NUMBER: _ClassVar[int]
    message: str
    schema_json: str
    said: str
    def __init__(self, message: _Optional[str] = ..., schema_json: _Optional[str] = ..., said: _Optional[str] = ...) -> None: ...

class ApprovalCall(_message.Message):
    __slots__ = ("call_id", "integration_id", "tool", "title", "arguments_json", "effect", "shared", "origin", "integration_name", "step_id")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_NAME_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    integration_id: str
    tool: str
    title: str
    arguments_json: str
    effect: CallEffect
    shared: bool
    origin: str
    integration_name: str
    step_id: str
    def __init__(self, call_id: _Optional[str] = ..., integration_id: _Optional[str] = ..., tool: _Optional[str] = ..., title: _Optional[str] = ..., arguments_json: _Optional[str] = ..., effect: _Optional[_Union[CallEffect, str]] = ..., shared: _Optional[bool] = ..., origin: _Optional[str] = ..., integration_name: _Optional[str] = ..., step_id: _Optional[str] = ...) -> None: ...

class ApprovalAction(_message.Message):
    __slots__ = ("action", "url")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    action: Decision
    url: str
    def __init__(self, action: _Optional[_Union[Decision, str]] = ..., url: _Optional[str] = ...) -> None: ...

class ListApprovalsRequest(_message.Message):
    __slots__ = ("status", "run_id", "page_size", "page_token")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    status: ApprovalStatus
    run_id: str
    page_size: int
    page_token: str
    def __init__(self, status: _Optional[_Union[ApprovalStatus, str]] = ..., run_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListApprovalsResponse(_message.Message):
    __slots__ = ("approvals", "next_page_token")
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    approvals: _containers.RepeatedCompositeFieldContainer[Approval]
    next_page_token: str
    def __init__(self, approvals: _Optional[_Iterable[_Union[Approval, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DecideApprovalRequest(_message.Message):
    __slots__ = ("approval_id", "decision", "reason", "output_json", "input_json")
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_JSON_FIELD_NUMBER: _ClassVar[int]
    INPUT_JSON_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    decision: Decision
    reason: str
    output_json: str
    input_json: str
    def __init__(self, approval_id: _Optional[str] = ..., decision: _Optional[_Union[Decision, str]] = ..., reason: _Optional[str] = ..., output_json: _Optional[str] = ..., input_json: _Optional[str] = ...) -> None: ...

class DecideApprovalResponse(_message.Message):
    __slots__ = ("approval",)
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    approval: Approval
    def __init__(self, approval: _Optional[_Union[Approval, _Mapping]] = ...) -> None: ...

class BatchDecideApprovalsRequest(_message.Message):
    __slots__ = ("decisions",)
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[DecideApprovalRequest]
    def __init__(self, decisions: _Optional[_Iterable[_Union[DecideApprovalRequest, _Mapping]]] = ...) -> None: ...

class BatchDecideApprovalsResponse(_message.Message):
    __slots__ = ("approvals",)
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    approvals: _containers.RepeatedCompositeFieldContainer[Approval]
    def __init__(self, approvals: _Optional[_Iterable[_Union[Approval, _Mapping]]] = ...) -> None: ...

class GetApprovalByTokenRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class GetApprovalByTokenResponse(_message.Message):
    __slots__ = ("approval", "action", "allowed")
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    approval: Approval
    action: Decision
    allowed: _containers.RepeatedScalarFieldContainer[Decision]
    def __init__(self, approval: _Optional[_Union[Approval, _Mapping]] = ..., action: _Optional[_Union[Decision, str]] = ..., allowed: _Optional[_Iterable[_Union[Decision, str]]] = ...) -> None: ...

class DecideByTokenRequest(_message.Message):
    __slots__ = ("token", "decision", "input_json")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    INPUT_JSON_FIELD_NUMBER: _ClassVar[int]
    token: str
    decision: Decision
    input_json: str
    def __init__(self, token: _Optional[str] = ..., decision: _Optional[_Union[Decision, str]] = ..., input_json: _Optional[str] = ...) -> None: ...

class DecideByTokenResponse(_message.Message):
    __slots__ = ("approval",)
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    approval: Approval
    def __init__(self, approval: _Optional[_Union[Approval, _Mapping]] = ...) -> None: ...
