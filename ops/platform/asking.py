"""Questions to AWS on the way to a deployment, which go on without an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ops.base import output
from ops.base.errors import explain

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def asked(question: Callable[[], T], whether: str) -> T | None:
    """The answer to a question; None, and a sentence for the person, where AWS gave none.

    Whoever deploys need not be allowed to look: CloudFormation acts with another role.

    Args:
        question: asks it.
        whether: end of the sentence "Whether ... could not be asked".
    """
    try:
        return question()
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        output.say(f"Whether {whether} could not be asked: {known}")
        return None
