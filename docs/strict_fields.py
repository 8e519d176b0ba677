# Copyright 2026 The astromer_hf developers. MIT licence.
"""What the reference cannot see in the source of a configuration: its fields are arguments, and they have defaults.

`mkdocs.yml` names this file as an extension of griffe, which reads the package's source and runs none of it. There a class
under `@strict` of huggingface_hub has no `__init__`; Transformers makes a dataclass of it when it is imported.
"""

from typing import Any

from griffe import Class, Extension, Function, Parameter, ParameterKind, Parameters


class StrictFields(Extension):
    """Give classes under `@strict` the `__init__` of a dataclass, by keyword."""

    def on_class(self, *, cls: Class, **kwargs: Any) -> None:
        """Called for every class of the package, once it is read."""
        decorators = {decorator.callable_path for decorator in cls.decorators}
        if "huggingface_hub.dataclasses.strict" not in decorators or "__init__" in cls.members:
            return
        fields = [
            Parameter(name, annotation=field.annotation, kind=ParameterKind.keyword_only, default=field.value)
            for name, field in cls.attributes.items()
            if field.annotation is not None and "property" not in field.labels
        ]
        itself = Parameter("self", kind=ParameterKind.positional_or_keyword)
        cls.set_member("__init__", Function("__init__", parameters=Parameters(itself, *fields)))
