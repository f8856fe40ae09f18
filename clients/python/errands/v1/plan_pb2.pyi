from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PlanType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PLAN_TYPE_UNSPECIFIED: _ClassVar[PlanType]
    PLAN_TYPE_JSON: _ClassVar[PlanType]
    PLAN_TYPE_TEXT: _ClassVar[PlanType]

class ArgumentSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ARGUMENT_SOURCE_UNSPECIFIED: _ClassVar[ArgumentSource]
    ARGUMENT_SOURCE_INTENT: _ClassVar[ArgumentSource]
    ARGUMENT_SOURCE_CONTEXT: _ClassVar[ArgumentSource]
    ARGUMENT_SOURCE_STEP: _ClassVar[ArgumentSource]
    ARGUMENT_SOURCE_SCHEMA: _ClassVar[ArgumentSource]
PLAN_TYPE_UNSPECIFIED: PlanType
PLAN_TYPE_JSON: PlanType
PLAN_TYPE_TEXT: PlanType
ARGUMENT_SOURCE_UNSPECIFIED: ArgumentSource
ARGUMENT_SOURCE_INTENT: ArgumentSource
ARGUMENT_SOURCE_CONTEXT: ArgumentSource
ARGUMENT_SOURCE_STEP: ArgumentSource
ARGUMENT_SOURCE_SCHEMA: ArgumentSource

class ExecutionPlan(_message.Message):
    __slots__ = ("execution_plan_id", "plan_type", "details", "text")
    EXECUTION_PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_TYPE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    execution_plan_id: str
    plan_type: PlanType
    details: PlanDetails
    text: str
    def __init__(self, execution_plan_id: _Optional[str] = ..., plan_type: _Optional[_Union[PlanType, str]] = ..., details: _Optional[_Union[PlanDetails, _Mapping]] = ..., text: _Optional[str] = ...) -> None: ...

class PlanDetails(_message.Message):
    __slots__ = ("title", "description", "steps")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    title: str
    description: str
    steps: _containers.RepeatedCompositeFieldContainer[PlanStep]
    def __init__(self, title: _Optional[str] = ..., description: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[PlanStep, _Mapping]]] = ...) -> None: ...

class PlanStep(_message.Message):
    __slots__ = ("id", "description", "depends_on_steps")
    ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DEPENDS_ON_STEPS_FIELD_NUMBER: _ClassVar[int]
    id: str
    description: str
    depends_on_steps: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., description: _Optional[str] = ..., depends_on_steps: _Optional[_Iterable[str]] = ...) -> None: ...

class PlanExplanation(_message.Message):
    __slots__ = ("clauses",)
    CLAUSES_FIELD_NUMBER: _ClassVar[int]
    clauses: _containers.RepeatedCompositeFieldContainer[ExplainedClause]
    def __init__(self, clauses: _Optional[_Iterable[_Union[ExplainedClause, _Mapping]]] = ...) -> None: ...

class ExplainedClause(_message.Message):
    __slots__ = ("text", "tools", "calls", "missing")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    text: str
    tools: _containers.RepeatedCompositeFieldContainer[ConsideredTool]
    calls: _containers.RepeatedCompositeFieldContainer[ExplainedCall]
    missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, text: _Optional[str] = ..., tools: _Optional[_Iterable[_Union[ConsideredTool, _Mapping]]] = ..., calls: _Optional[_Iterable[_Union[ExplainedCall, _Mapping]]] = ..., missing: _Optional[_Iterable[str]] = ...) -> None: ...

class ConsideredTool(_message.Message):
    __slots__ = ("integration_id", "tool", "score")
    INTEGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    integration_id: str
    tool: str
    score: float
    def __init__(self, integration_id: _Optional[str] = ..., tool: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...

class ExplainedCall(_message.Message):
    __slots__ = ("step_id", "integration_id", "tool", "arguments")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    integration_id: str
    tool: str
    arguments: _containers.RepeatedCompositeFieldContainer[ExplainedArgument]
    def __init__(self, step_id: _Optional[str] = ..., integration_id: _Optional[str] = ..., tool: _Optional[str] = ..., arguments: _Optional[_Iterable[_Union[ExplainedArgument, _Mapping]]] = ...) -> None: ...

class ExplainedArgument(_message.Message):
    __slots__ = ("path", "source", "reason", "words")
    PATH_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    path: str
    source: ArgumentSource
    reason: str
    words: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, path: _Optional[str] = ..., source: _Optional[_Union[ArgumentSource, str]] = ..., reason: _Optional[str] = ..., words: _Optional[_Iterable[str]] = ...) -> None: ...
