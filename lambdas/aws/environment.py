"""Environment variables of a function, checked once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict


class FunctionSettings(BaseModel):
    """Settings that one function reads: some of its environment variables, and of a section of cdk.json.

    What stands below a field as a string is its meaning in docs/settings.md.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)


class Variables(BaseModel):
    """A function's environment variables, called as the fields are, in capitals.

    A missing or wrong one stops the first invocation and is named.
    """

    # Pydantic quotes its input in errors, and this input holds the role's credentials.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, alias_generator=str.upper)

    @classmethod
    def load(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Read and check the variables."""
        return cls.model_validate(dict(variables))
