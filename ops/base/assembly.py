"""The synthesised templates of one environment, as `make synth` leaves them in cdk.out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ops.base.errors import CommandError, ExitCode


@dataclasses.dataclass(frozen=True)
class Resource:
    """One resource of a template.

    Attributes:
        part: its stack without the environment, such as `training`.
        name: logical id.
        kind: type, such as `AWS::S3::Bucket`.
        properties: properties in the template, intrinsic functions and all.
    """

    part: str
    name: str
    kind: str
    properties: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Assembly:
    """All resources of an environment, the region they are for, and its stacks' outputs by part and name."""

    env: str
    region: str
    resources: tuple[Resource, ...]
    outputs: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, env: str) -> Assembly:
        """Read `manifest.json` and the templates it names; raises CommandError when the environment is not there."""
        prefix = f"cxr-{env}-"
        resources: list[Resource] = []
        outputs: dict[str, dict[str, Any]] = {}
        region = ""
        for name, environment, template in _templates(folder):
            if not name.startswith(prefix):
                continue
            region = environment.rpartition("/")[2]
            part = name.removeprefix(prefix)
            outputs[part] = {key: output["Value"] for key, output in template.get("Outputs", {}).items()}
            for logical_id, resource in template["Resources"].items():
                resources.append(Resource(part, logical_id, resource["Type"], resource.get("Properties", {})))
        if not resources:
            raise CommandError(
                f"{folder} holds no templates of {env}: run `make synth ENV={env}` first.", ExitCode.UNAVAILABLE
            )
        return cls(env=env, region=region, resources=tuple(resources), outputs=outputs)

    @property
    def parts(self) -> list[str]:
        """The environment's stacks without its name, in the order of the templates."""
        return list(dict.fromkeys(resource.part for resource in self.resources))

    def of(self, kind: str) -> list[Resource]:
        """The resources of a type."""
        return [resource for resource in self.resources if resource.kind == kind]

    def named(self, logical_id: str) -> Resource | None:
        """The resource of that logical id, of whichever stack."""
        return next((resource for resource in self.resources if resource.name == logical_id), None)


def _templates(folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(stack name, environment such as aws://unknown-account/us-east-1, template) of each stack."""
    try:
        artifacts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    except (OSError, ValueError, KeyError):
        return
    for name, artifact in artifacts.items():
        if artifact.get("type") != "aws:cloudformation:stack":
            continue
        properties = artifact["properties"]
        template = json.loads((folder / properties["templateFile"]).read_text(encoding="utf-8"))
        yield properties.get("stackName", name), artifact.get("environment", ""), template
