"""The CDK's bootstrap that an environment's templates are deployed with: its version, qualifier and role."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

_VERSION, _PARAMETER = "requiresBootstrapStackVersion", "bootstrapStackVersionSsmParameter"
_ROLE = "cloudFormationExecutionRoleArn"


@dataclasses.dataclass(frozen=True)
class Bootstrap:
    """Names and version by the manifest; the defaults of this app's synthesizer where it says nothing.

    Attributes:
        version: least version that the templates ask for.
        parameter: name of the SSM parameter that holds the version that is there.
        role: name of the role that CloudFormation acts with, with the placeholders of its account and region.
    """

    version: int = 6
    parameter: str = "/cdk-bootstrap/hnb659fds/version"
    role: str = "cdk-hnb659fds-cfn-exec-role-${AWS::AccountId}-${AWS::Region}"

    @classmethod
    def read(cls, folder: Path, env: str) -> Self:
        """Read the manifest of a folder with templates, which need not be there."""
        try:
            artifacts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
        except (OSError, ValueError, KeyError):
            return cls()
        stacks = [
            artifact["properties"]
            for name, artifact in artifacts.items()
            if name.startswith(f"cxr-{env}-") and "properties" in artifact
        ]
        # A context of `@aws-cdk/core:bootstrapQualifier` changes the names, of all stacks alike.
        parameters = [stack[_PARAMETER] for stack in stacks if _PARAMETER in stack]
        roles = [stack[_ROLE].rpartition("/")[2] for stack in stacks if _ROLE in stack]
        return cls(
            version=max((stack.get(_VERSION, 0) for stack in stacks), default=0) or cls.version,
            parameter=next(iter(parameters), cls.parameter),
            role=next(iter(roles), cls.role),
        )

    def role_in(self, account: str, region: str | None) -> str:
        """Name of the role in an account and region."""
        return self.role.replace("${AWS::AccountId}", account).replace("${AWS::Region}", str(region))
