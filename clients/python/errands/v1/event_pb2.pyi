import datetime

from errands.v1 import approval_pb2 as _approval_pb2
from errands.v1 import plan_pb2 as _plan_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RunStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STATUS_UNSPECIFIED: _ClassVar[RunStatus]
    RUN_STATUS_QUEUED: _ClassVar[RunStatus]
    RUN_STATUS_RUNNING: _ClassVar[RunStatus]
    RUN_STATUS_AUTH_REQUIRED: _ClassVar[RunStatus]
    RUN_STATUS_PAUSED: _ClassVar[RunStatus]
    RUN_STATUS_SUCCESS: _ClassVar[RunStatus]
    RUN_STATUS_PARTIAL_SUCCESS: _ClassVar[RunStatus]
    RUN_STATUS_NO_SUCCESS: _ClassVar[RunStatus]
    RUN_STATUS_FAILED: _ClassVar[RunStatus]
    RUN_STATUS_CANCELED: _ClassVar[RunStatus]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_DONE: _ClassVar[Outcome]
    OUTCOME_DENIED: _ClassVar[Outcome]
    OUTCOME_FAILED: _ClassVar[Outcome]
    OUTCOME_SKIPPED: _ClassVar[Outcome]
    OUTCOME_UNKNOWN: _ClassVar[Outcome]
RUN_STATUS_UNSPECIFIED: RunStatus
RUN_STATUS_QUEUED: RunStatus
RUN_STATUS_RUNNING: RunStatus
RUN_STATUS_AUTH_REQUIRED: RunStatus
RUN_STATUS_PAUSED: RunStatus
RUN_STATUS_SUCCESS: RunStatus
RUN_STATUS_PARTIAL_SUCCESS: RunStatus
RUN_STATUS_NO_SUCCESS: RunStatus
RUN_STATUS_FAILED: RunStatus
RUN_STATUS_CANCELED: RunStatus
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_DONE: Outcome
OUTCOME_DENIED: Outcome
OUTCOME_FAILED: Outcome
OUTCOME_SKIPPED: Outcome
OUTCOME_UNKNOWN: Outcome

class RunEvent(_message.Message):
    __slots__ = ("sequence", "run_id", "status", "created_at", "status_changed", "plan", "step_started", "step_completed", "approval_required", "approval_resolved", "auth_required", "auth_resolved", "cancel_requested", "note", "result", "error", "tool_call", "tool_result", "reasoning")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    STATUS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    STEP_STARTED_FIELD_NUMBER: _ClassVar[int]
    STEP_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_RESOLVED_FIELD_NUMBER: _ClassVar[int]
    AUTH_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    AUTH_RESOLVED_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_FIELD_NUMBER: _ClassVar[int]
    TOOL_RESULT_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    run_id: str
    status: RunStatus
    created_at: _timestamp_pb2.Timestamp
    status_changed: StatusChanged
    plan: _plan_pb2.ExecutionPlan
    step_started: StepStarted
    step_completed: StepCompleted
    approval_required: _approval_pb2.Approval
    approval_resolved: ApprovalResolved
    auth_required: AuthRequired
    auth_resolved: AuthResolved
    cancel_requested: CancelRequested
    note: Note
    result: Result
    error: RunError
    tool_call: ToolCalled
    tool_result: ToolResult
    reasoning: Reasoning
    def __init__(self, sequence: _Optional[int] = ..., run_id: _Optional[str] = ..., status: _Optional[_Union[RunStatus, str]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status_changed: _Optional[_Union[StatusChanged, _Mapping]] = ..., plan: _Optional[_Union[_plan_pb2.ExecutionPlan, _Mapping]] = ..., step_started: _Optional[_Union[StepStarted, _Mapping]] = ..., step_completed: _Optional[_Union[StepCompleted, _Mapping]] = ..., approval_required: _Optional[_Union[_approval_pb2.Approval, _Mapping]] = ..., approval_resolved: _Optional[_Union[ApprovalResolved, _Mapping]] = ..., auth_required: _Optional[_Union[AuthRequired, _Mapping]] = ..., auth_resolved: _Optional[_Union[AuthResolved, _Mapping]] = ..., cancel_requested: _Optional[_Union[CancelRequested, _Mapping]] = ..., note: _Optional[_Union[Note, _Mapping]] = ..., result: _Optional[_Union[Result, _Mapping]] = ..., error: _Optional[_Union[RunError, _Mapping]] = ..., tool_call: _Optional[_Union[ToolCalled, _Mapping]] = ..., tool_result: _Optional[_Union[ToolResult, _Mapping]] = ..., reasoning: _Optional[_Union[Reasoning, _Mapping]] = ...) -> None: ...

class StatusChanged(_message.Message):
    __slots__ = ("status", "report")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    status: RunStatus
    report: CancelReport
    def __init__(self, status: _Optional[_Union[RunStatus, str]] = ..., report: _Optional[_Union[CancelReport, _Mapping]] = ...) -> None: ...

class CancelReport(_message.Message):
    __slots__ = ("completed", "unknown")
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    completed: _containers.RepeatedScalarFieldContainer[str]
    unknown: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, completed: _Optional[_Iterable[str]] = ..., unknown: _Optional[_Iterable[str]] = ...) -> None: ...

class StepStarted(_message.Message):
    __slots__ = ("step_id", "text")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    text: str
    def __init__(self, step_id: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class StepCompleted(_message.Message):
    __slots__ = ("step_id", "text", "outcome")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    text: str
    outcome: Outcome
    def __init__(self, step_id: _Optional[str] = ..., text: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ...) -> None: ...

class ApprovalResolved(_message.Message):
    __slots__ = ("approval_id", "decision", "actor", "reason")
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    decision: _approval_pb2.Decision
    actor: str
    reason: str
    def __init__(self, approval_id: _Optional[str] = ..., decision: _Optional[_Union[_approval_pb2.Decision, str]] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class AuthRequired(_message.Message):
    __slots__ = ("authorization_id", "integration_id", "integration_name", "user_id", "scopes", "url", "expires_at")
    AUTHORIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_NAME_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    authorization_id: str
    integration_id: str
    integration_name: str
    user_id: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    url: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, authorization_id: _Optional[str] = ..., integration_id: _Optional[str] = ..., integration_name: _Optional[str] = ..., user_id: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., url: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AuthResolved(_message.Message):
    __slots__ = ("authorization_id", "granted")
    AUTHORIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    authorization_id: str
    granted: bool
    def __init__(self, authorization_id: _Optional[str] = ..., granted: _Optional[bool] = ...) -> None: ...

class CancelRequested(_message.Message):
    __slots__ = ("actor",)
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    actor: str
    def __init__(self, actor: _Optional[str] = ...) -> None: ...

class Note(_message.Message):
    __slots__ = ("text", "step_id")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    text: str
    step_id: str
    def __init__(self, text: _Optional[str] = ..., step_id: _Optional[str] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("result_json",)
    RESULT_JSON_FIELD_NUMBER: _ClassVar[int]
    result_json: str
    def __init__(self, result_json: _Optional[str] = ...) -> None: ...

class RunError(_message.Message):
    __slots__ = ("code", "message", "reason")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    reason: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ToolCalled(_message.Message):
    __slots__ = ("call_id", "step_id", "integration_id", "tool", "url", "arguments_json", "attempt")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    step_id: str
    integration_id: str
    tool: str
    url: str
    arguments_json: str
    attempt: int
    def __init__(self, call_id: _Optional[str] = ..., step_id: _Optional[str] = ..., integration_id: _Optional[str] = ..., tool: _Optional[str] = ..., url: _Optional[str] = ..., arguments_json: _Optional[str] = ..., attempt: _Optional[int] = ...) -> None: ...

class ToolResult(_message.Message):
    __slots__ = ("call_id", "outcome", "output_json", "message")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_JSON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    outcome: Outcome
    output_json: str
    message: str
    def __init__(self, call_id: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., output_json: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Reasoning(_message.Message):
    __slots__ = ("step_id", "text")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    text: str
    def __init__(self, step_id: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...
