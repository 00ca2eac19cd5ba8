"""A component of TFX whose inputs, outputs and properties are declared once, as the fields of a class."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, dataclass_transform, get_origin

from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec, ExecutorClassSpec
from tfx.types.artifact import Artifact
from tfx.types.channel import Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter


@dataclass_transform(kw_only_default=True)
class DeclaredComponent(BaseComponent):
    """Makes spec and arguments of a component from the fields of its class.

    ```
    class Count(DeclaredComponent):
        EXECUTOR = Executor
        OUTPUTS: ClassVar = {"report": StepReport}

        examples: Annotated[BaseChannel, Examples]
        most: int
    ```

    A field with the type of an artifact is an input, any other a property: str, int, float, or bool, which TFX keeps
    as 0 or 1. The fields are the keyword arguments of the class, and a field with a value need not be given.

    Attributes:
        EXECUTOR: Class that does the work.
        OUTPUTS: Types of the outputs by key.
    """

    EXECUTOR: ClassVar[type[BaseExecutor]]
    OUTPUTS: ClassVar[Mapping[str, type[Artifact]]]

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Makes the spec."""
        super().__init_subclass__(**arguments)
        if "EXECUTOR" not in cls.__dict__:
            return
        fields = {
            name: kind
            for name, kind in inspect.get_annotations(cls, eval_str=True).items()
            if ClassVar not in (kind, get_origin(kind))
        }
        inputs = {name: kind.__metadata__[0] for name, kind in fields.items() if get_origin(kind) is Annotated}
        properties = {name: kind for name, kind in fields.items() if name not in inputs}
        cls.SPEC_CLASS = type(
            f"{cls.__name__}Spec",
            (ComponentSpec,),
            {
                "__module__": cls.__module__,
                "__doc__": f"Inputs, outputs and properties of {cls.__name__}.",
                "PARAMETERS": {
                    name: ExecutionParameter(type=int if kind is bool else kind) for name, kind in properties.items()
                },
                "INPUTS": {name: ChannelParameter(type=kind) for name, kind in inputs.items()},
                "OUTPUTS": {name: ChannelParameter(type=kind) for name, kind in cls.OUTPUTS.items()},
            },
        )
        is_beam = issubclass(cls, BaseBeamComponent)
        cls.EXECUTOR_SPEC = (BeamExecutorSpec if is_beam else ExecutorClassSpec)(cls.EXECUTOR)

    def __init__(self, **fields: Any) -> None:
        defaults = {name: vars(type(self))[name] for name in self.SPEC_CLASS.PARAMETERS if name in vars(type(self))}
        given = {
            name: int(value) if isinstance(value, bool) else value for name, value in {**defaults, **fields}.items()
        }
        # TFX passes over names that it does not know.
        if unknown := sorted(set(given) - {*self.SPEC_CLASS.INPUTS, *self.SPEC_CLASS.PARAMETERS}):
            raise TypeError(f"{type(self).__name__} has no field {', '.join(unknown)}.")
        outputs = {name: Channel(type=kind) for name, kind in self.OUTPUTS.items()}
        super().__init__(spec=self.SPEC_CLASS(**given, **outputs))


class DeclaredBeamComponent(DeclaredComponent, BaseBeamComponent):
    """The same for an executor that runs a Beam pipeline."""
