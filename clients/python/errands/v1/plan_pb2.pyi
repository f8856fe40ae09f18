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
PLAN_TYPE_UNSPECIFIED: PlanType
PLAN_TYPE_JSON: PlanType
PLAN_TYPE_TEXT: PlanType

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
