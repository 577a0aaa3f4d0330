"""Changes of an environment's network that CloudFormation refuses, or leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.base import output
from ops.base.errors import CommandError
from ops.platform.lookup import try_lookup

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.settings.environment import Settings
    from ops.base.deployment import Deployment, Stack

_PART = "network"


def refuse_another(deployment: Callable[[], Deployment], settings: Settings) -> None:
    """Refuse a deployment that gives a deployed network other addresses, or takes a zone away.

    The stacks that run in it import its subnets and are deployed after it, so CloudFormation would refuse to replace or
    remove one ("Cannot delete export ... as it is in use"), and roll back. A zone more, at the end, is no such change.

    Args:
        deployment: makes a client, which fails where this SDK cannot sign in and the CDK may.
        settings: settings of the environment.

    Raises:
        CommandError: with the steps that lead there.
    """
    if not settings.network.vpc:
        return
    deployed = _deployed(deployment, settings.name)
    if deployed is None or not deployed.outputs:
        return
    if "Zones" not in deployed.outputs:
        from infra.settings.platform import MOST_ZONES  # noqa: PLC0415 - brings pydantic along

        if len(settings.network.zones) == MOST_ZONES:
            return
        raise CommandError(
            f"{deployed.name} was made before addresses for a third zone were set aside, and its subnets would get "
            f"others while they are in use. {_steps(deployed.name)}"
        )
    cidr, zones = deployed.outputs["Cidr"], tuple(deployed.outputs["Zones"].split())
    if (cidr, zones) == (settings.network.cidr, settings.network.zones[: len(zones)]):
        return
    raise CommandError(
        f"{deployed.name} has {cidr} in the zones {', '.join(zones)}, and a network that is in use takes one zone "
        f"more, at the end, and no other change. {_steps(deployed.name)}"
    )


def _steps(stack: str) -> str:
    return f"Deploy with network.vpc false, remove that stack ({_removal(stack)}), and deploy with the new values."


def _removal(stack: str) -> str:
    """Commands that remove a stack, which may be protected from it."""
    return (
        "`aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name "
        f"{stack}`, `aws cloudformation delete-stack --stack-name {stack}`"
    )


def tell_of_one_left(deployment: Callable[[], Deployment], name: str) -> None:
    """Say how to remove a network that settings no longer have: the CDK does not know its stack any more."""
    deployed = _deployed(deployment, name)
    if deployed is not None:
        output.say(
            f"{deployed.name} is still there, because the settings have no network any more; its interface endpoints "
            f"cost by the hour. Remove it: {_removal(deployed.name)}."
        )


def _deployed(deployment: Callable[[], Deployment], name: str) -> Stack | None:
    return try_lookup(lambda: deployment().describe(_PART), f"{name}-{_PART} is there")
