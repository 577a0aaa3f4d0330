"""What every stack of this application has in common."""

from typing import TypedDict

from aws_cdk import DefaultStackSynthesizer, Environment

from infra.settings import Settings


class StackProperties(TypedDict):
    """Keyword arguments of `aws_cdk.Stack`."""

    description: str
    env: Environment
    synthesizer: DefaultStackSynthesizer
    termination_protection: bool
    tags: dict[str, str]


def deployable(settings: Settings, description: str) -> StackProperties:
    """Arguments of a stack: region from the settings, account from the credentials that deploy it."""
    return {
        "description": description,
        "env": Environment(region=settings.region),
        # The rule reads a parameter of type SSM, which an update with previous parameters and few rights cannot do.
        "synthesizer": DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        "termination_protection": settings.retain,
        "tags": {"project": "chest-xray-stack", "environment": settings.environment},
    }
