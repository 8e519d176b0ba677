# Copyright 2026 The astromer_hf developers. MIT licence.
"""An extension of griffe, which reads the package's source for the reference without running it.

`mkdocs.yml` names this file. It mends three things. The fields of a configuration are arguments with defaults: in the source a
class under `@strict` of huggingface_hub has no `__init__`, since transformers makes it a dataclass at import. And docstrings
give types in the style of transformers, "(`int`, *optional*, defaults to 256)"; the page's table has a column for the default.
Names of classes stand in brackets, which Markdown would print.
"""

import re
from typing import Any

from griffe import (
    Class,
    Extension,
    Function,
    Object,
    Parameter,
    ParameterKind,
    Parameters,
)

ARGUMENT = re.compile(r"^( +[\w*, ]+ )\((.+?)\):(?=\s)", re.MULTILINE)
NAME = re.compile(
    r"\[(`[\w.]+`)\](?![(\[])"
)  # as transformers names classes, "[`Name`]"; no link of Markdown
DEFAULT = re.compile(r",? *(\*optional\*|defaults to .+$)")


class ReadAsTransformers(Extension):
    """Give classes under `@strict` the keyword `__init__` of a dataclass, and reduce type descriptions to the type."""

    def on_class(self, *, cls: Class, **kwargs: Any) -> None:
        """Called for every class of the package, after all of it is read."""
        decorators = {decorator.callable_path for decorator in cls.decorators}
        if (
            "huggingface_hub.dataclasses.strict" not in decorators
            or "__init__" in cls.members
        ):
            return
        fields = [
            Parameter(
                name,
                annotation=field.annotation,
                kind=ParameterKind.keyword_only,
                default=field.value,
            )
            for name, field in cls.attributes.items()
            if field.annotation is not None and "property" not in field.labels
        ]
        itself = Parameter("self", kind=ParameterKind.positional_or_keyword)
        cls.set_member(
            "__init__", Function("__init__", parameters=Parameters(itself, *fields))
        )

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Called for every module, class, function and attribute."""
        if obj.docstring is not None:
            text = ARGUMENT.sub(
                lambda found: f"{found[1]}({plain_type(found[2])}):",
                obj.docstring.value,
            )
            obj.docstring.value = NAME.sub(r"\1", text)


def plain_type(description: str) -> str:
    """The type alone: "`int`, *optional*, defaults to 256" becomes "int"."""
    return DEFAULT.sub("", description.replace("[`", "`").replace("`]", "`")).replace(
        "`", ""
    )
