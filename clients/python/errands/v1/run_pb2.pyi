import datetime

from errands.v1 import approval_pb2 as _approval_pb2
from errands.v1 import event_pb2 as _event_pb2
from errands.v1 import plan_pb2 as _plan_pb2
from errands.v1 import preflight_pb2 as _preflight_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ApprovalStrategy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    APPROVAL_STRATEGY_UNSPECIFIED: _ClassVar[ApprovalStrategy]
    APPROVAL_STRATEGY_NONE: _ClassVar[ApprovalStrategy]
    APPROVAL_STRATEGY_ON_START: _ClassVar[ApprovalStrategy]
    APPROVAL_STRATEGY_ON_TOOL_CALL: _ClassVar[ApprovalStrategy]
APPROVAL_STRATEGY_UNSPECIFIED: ApprovalStrategy
APPROVAL_STRATEGY_NONE: ApprovalStrategy
APPROVAL_STRATEGY_ON_START: ApprovalStrategy
APPROVAL_STRATEGY_ON_TOOL_CALL: ApprovalStrategy

class Run(_message.Message):
    __slots__ = ("run_id", "repeat_key", "repeat_run_id", "status", "execution_plan_id", "plan", "events", "events_truncated", "result_json", "intent", "context", "created_at", "updated_at", "user_id", "approval_strategy", "selected_customer_integration_ids", "steps_finished", "error", "pending_approvals", "authorization_url", "cancel_requested", "last_sequence")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    REPEAT_KEY_FIELD_NUMBER: _ClassVar[int]
    REPEAT_RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    RESULT_JSON_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SELECTED_CUSTOMER_INTEGRATION_IDS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FINISHED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PENDING_APPROVALS_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZATION_URL_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    repeat_key: str
    repeat_run_id: str
    status: _event_pb2.RunStatus
    execution_plan_id: str
    plan: _plan_pb2.ExecutionPlan
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.RunEvent]
    events_truncated: bool
    result_json: str
    intent: str
    context: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    user_id: str
    approval_strategy: ApprovalStrategy
    selected_customer_integration_ids: _containers.RepeatedScalarFieldContainer[str]
    steps_finished: _containers.RepeatedCompositeFieldContainer[FinishedStep]
    error: _event_pb2.RunError
    pending_approvals: _containers.RepeatedCompositeFieldContainer[_approval_pb2.Approval]
    authorization_url: str
    cancel_requested: bool
    last_sequence: int
    def __init__(self, run_id: _Optional[str] = ..., repeat_key: _Optional[str] = ..., repeat_run_id: _Optional[str] = ..., status: _Optional[_Union[_event_pb2.RunStatus, str]] = ..., execution_plan_id: _Optional[str] = ..., plan: _Optional[_Union[_plan_pb2.ExecutionPlan, _Mapping]] = ..., events: _Optional[_Iterable[_Union[_event_pb2.RunEvent, _Mapping]]] = ..., events_truncated: _Optional[bool] = ..., result_json: _Optional[str] = ..., intent: _Optional[str] = ..., context: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., user_id: _Optional[str] = ..., approval_strategy: _Optional[_Union[ApprovalStrategy, str]] = ..., selected_customer_integration_ids: _Optional[_Iterable[str]] = ..., steps_finished: _Optional[_Iterable[_Union[FinishedStep, _Mapping]]] = ..., error: _Optional[_Union[_event_pb2.RunError, _Mapping]] = ..., pending_approvals: _Optional[_Iterable[_Union[_approval_pb2.Approval, _Mapping]]] = ..., authorization_url: _Optional[str] = ..., cancel_requested: _Optional[bool] = ..., last_sequence: _Optional[int] = ...) -> None: ...

class FinishedStep(_message.Message):
    __slots__ = ("step_id", "description", "outcome", "finished_at")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    description: str
    outcome: _event_pb2.Outcome
    finished_at: _timestamp_pb2.Timestamp
    def __init__(self, step_id: _Optional[str] = ..., description: _Optional[str] = ..., outcome: _Optional[_Union[_event_pb2.Outcome, str]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateRunRequest(_message.Message):
    __slots__ = ("intent", "selected_customer_integration_ids", "context", "user_id", "approval_strategy", "repeat_key", "output_schema_json", "validate_only", "plan_wait_ms", "request_id", "explain", "pass_through")
    INTENT_FIELD_NUMBER: _ClassVar[int]
    SELECTED_CUSTOMER_INTEGRATION_IDS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_STRATEGY_FIELD_NUMBER: _ClassVar[int]
    REPEAT_KEY_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    PLAN_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    PASS_THROUGH_FIELD_NUMBER: _ClassVar[int]
    intent: str
    selected_customer_integration_ids: _containers.RepeatedScalarFieldContainer[str]
    context: str
    user_id: str
    approval_strategy: ApprovalStrategy
    repeat_key: str
    output_schema_json: str
    validate_only: bool
    plan_wait_ms: int
    request_id: str
    explain: bool
    pass_through: _containers.RepeatedCompositeFieldContainer[PassThrough]
    def __init__(self, intent: _Optional[str] = ..., selected_customer_integration_ids: _Optional[_Iterable[str]] = ..., context: _Optional[str] = ..., user_id: _Optional[str] = ..., approval_strategy: _Optional[_Union[ApprovalStrategy, str]] = ..., repeat_key: _Optional[str] = ..., output_schema_json: _Optional[str] = ..., validate_only: _Optional[bool] = ..., plan_wait_ms: _Optional[int] = ..., request_id: _Optional[str] = ..., explain: _Optional[bool] = ..., pass_through: _Optional[_Iterable[_Union[PassThrough, _Mapping]]] = ...) -> None: ...

class PassThrough(_message.Message):
    __slots__ = ("customer_integration_id", "headers", "query", "values")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class QueryEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CUSTOMER_INTEGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    customer_integration_id: str
    headers: _containers.ScalarMap[str, str]
    query: _containers.ScalarMap[str, str]
    values: _containers.ScalarMap[str, str]
    def __init__(self, customer_integration_id: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ..., query: _Optional[_Mapping[str, str]] = ..., values: _Optional[_Mapping[str, str]] = ...) -> None: ...

class CreateRunResponse(_message.Message):
    __slots__ = ("run_id", "repeat_key", "status", "events", "execution_plan_id", "plan", "repeat_run_id", "explanation", "preflight")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    REPEAT_KEY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    REPEAT_RUN_ID_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    PREFLIGHT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    repeat_key: str
    status: _event_pb2.RunStatus
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.RunEvent]
    execution_plan_id: str
    plan: _plan_pb2.ExecutionPlan
    repeat_run_id: str
    explanation: _plan_pb2.PlanExplanation
    preflight: _preflight_pb2.Preflight
    def __init__(self, run_id: _Optional[str] = ..., repeat_key: _Optional[str] = ..., status: _Optional[_Union[_event_pb2.RunStatus, str]] = ..., events: _Optional[_Iterable[_Union[_event_pb2.RunEvent, _Mapping]]] = ..., execution_plan_id: _Optional[str] = ..., plan: _Optional[_Union[_plan_pb2.ExecutionPlan, _Mapping]] = ..., repeat_run_id: _Optional[str] = ..., explanation: _Optional[_Union[_plan_pb2.PlanExplanation, _Mapping]] = ..., preflight: _Optional[_Union[_preflight_pb2.Preflight, _Mapping]] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("run_id", "include_events")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_EVENTS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    include_events: bool
    def __init__(self, run_id: _Optional[str] = ..., include_events: _Optional[bool] = ...) -> None: ...

class GetRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: Run
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("include_events", "user_id", "status", "customer_integration_ids", "page_size", "page_token", "skip")
    INCLUDE_EVENTS_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_INTEGRATION_IDS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    include_events: bool
    user_id: str
    status: _event_pb2.RunStatus
    customer_integration_ids: _containers.RepeatedScalarFieldContainer[str]
    page_size: int
    page_token: str
    skip: int
    def __init__(self, include_events: _Optional[bool] = ..., user_id: _Optional[str] = ..., status: _Optional[_Union[_event_pb2.RunStatus, str]] = ..., customer_integration_ids: _Optional[_Iterable[str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., skip: _Optional[int] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    next_page_token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[Run, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CancelRunRequest(_message.Message):
    __slots__ = ("run_id", "allow_finished")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FINISHED_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    allow_finished: bool
    def __init__(self, run_id: _Optional[str] = ..., allow_finished: _Optional[bool] = ...) -> None: ...

class CancelRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: Run
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ...) -> None: ...

class StreamRunEventsRequest(_message.Message):
    __slots__ = ("run_id", "after_sequence", "include_tool_calls", "validate_only")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    after_sequence: int
    include_tool_calls: bool
    validate_only: bool
    def __init__(self, run_id: _Optional[str] = ..., after_sequence: _Optional[int] = ..., include_tool_calls: _Optional[bool] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class StreamRunEventsResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.RunEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.RunEvent, _Mapping]]] = ...) -> None: ...

class ListRunEventsRequest(_message.Message):
    __slots__ = ("run_id", "after_sequence", "limit", "include_tool_calls")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    after_sequence: int
    limit: int
    include_tool_calls: bool
    def __init__(self, run_id: _Optional[str] = ..., after_sequence: _Optional[int] = ..., limit: _Optional[int] = ..., include_tool_calls: _Optional[bool] = ...) -> None: ...

class ListRunEventsResponse(_message.Message):
    __slots__ = ("events", "next_after_sequence", "end", "tenant", "links", "connect_links")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    CONNECT_LINKS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.RunEvent]
    next_after_sequence: int
    end: bool
    tenant: str
    links: bool
    connect_links: bool
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.RunEvent, _Mapping]]] = ..., next_after_sequence: _Optional[int] = ..., end: _Optional[bool] = ..., tenant: _Optional[str] = ..., links: _Optional[bool] = ..., connect_links: _Optional[bool] = ...) -> None: ...

class CreateStreamTicketRequest(_message.Message):
    __slots__ = ("run_id", "include_tool_calls")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    include_tool_calls: bool
    def __init__(self, run_id: _Optional[str] = ..., include_tool_calls: _Optional[bool] = ...) -> None: ...

class CreateStreamTicketResponse(_message.Message):
    __slots__ = ("ticket", "expires_at")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ticket: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, ticket: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetPlanRequest(_message.Message):
    __slots__ = ("execution_plan_id",)
    EXECUTION_PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    execution_plan_id: str
    def __init__(self, execution_plan_id: _Optional[str] = ...) -> None: ...

class GetPlanResponse(_message.Message):
    __slots__ = ("plan",)
    PLAN_FIELD_NUMBER: _ClassVar[int]
    plan: _plan_pb2.ExecutionPlan
    def __init__(self, plan: _Optional[_Union[_plan_pb2.ExecutionPlan, _Mapping]] = ...) -> None: ...
