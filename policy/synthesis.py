"""The templates of environments, synthesised here and now."""

from pathlib import Path
from typing import Any

from infra.application import add_stacks
from infra.settings.environment import Settings

# After `infra`, which configures jsii before it starts.
from aws_cdk import App  # isort: skip

# An assembly without copies of its assets, 100 MB an environment, whose templates are the same (`--no-staging` of `cdk
# synth`).
UNSTAGED = {"aws:cdk:disable-asset-staging": True}


def synthesised(context: dict[str, Any], output: Path) -> dict[str, dict[str, Any]]:
    """The templates of an environment by the part of the stack's name, in the order of deployment.

    The CDK validates them, and raises for what it finds. Its rules take seconds to load, once a process: whoever wants
    several environments makes them in one (`python -m benchmarks.operation.synth`).

    Args:
        context: of cdk.json, with the environment under `env`.
        output: an empty folder.
    """
    settings = Settings.load(context)
    app = App(context={**context, **UNSTAGED}, outdir=str(output))
    add_stacks(app, settings)
    stacks = app.synth().stacks
    return {stack.stack_name.removeprefix(f"{settings.name}-"): stack.template for stack in stacks}
