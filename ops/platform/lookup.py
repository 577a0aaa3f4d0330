"""Look-ups in AWS before a deployment, which goes on where they are denied."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ops.base import output
from ops.base.errors import explain

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def try_lookup(look_up: Callable[[], T], whether: str) -> T | None:
    """Result of a look-up; None, and a sentence for the person, where AWS gave none.

    Whoever deploys need not be allowed to look: CloudFormation acts with another role.

    Args:
        look_up: calls AWS.
        whether: end of the sentence "Whether ... could not be asked".
    """
    try:
        return look_up()
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        output.say(f"Whether {whether} could not be asked: {known}")
        return None
