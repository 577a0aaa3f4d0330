"""Interfaces of the embedded cloud: the error an API answers, and the cloud a service acts in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


class ApiError(Exception):
    """An error answered to the caller of an AWS API, with the code AWS gives it.

    Args:
        code: the error code of the service model, such as `ValidationException`.
        message: one sentence: what was wrong, with which input.
        status: HTTP status of the answer.
        details: further members of the error's shape, such as `OriginalMessage` of a `ModelError`.
    """

    def __init__(self, code: str, message: str, status: int = 400, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.details = dict(details or {})


class Cloud(Protocol):
    """The account and region a service runs in, with everything it may ask of them."""

    @property
    def account(self) -> str:
        """The twelve-digit account number."""

    @property
    def region(self) -> str:
        """The only region there is."""

    @property
    def state_dir(self) -> Path:
        """Folder of the processes' directories and logs (absolute, exists)."""

    def client(self, service: str, *, role_arn: str | None = None) -> Any:
        """A boto3 client of this cloud.

        Args:
            service: boto3's name of the service, such as `s3`.
            role_arn: act as this role, with IAM enforced; without it, as the account's root.

        Raises:
            ApiError: `ValidationException` when the role does not exist or may not be assumed by SageMaker.
        """

    def credentials(self, role_arn: str) -> dict[str, str]:
        """The environment variables with which a process acts in this cloud as the role, and as nobody else.

        Args:
            role_arn: the role of a job or an endpoint.

        Returns:
            `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_DEFAULT_REGION` and
            `AWS_ENDPOINT_URL`.

        Raises:
            ApiError: `ValidationException` when the role does not exist or may not be assumed by SageMaker.
        """

    def authorize(self, role_arn: str, action: str, resource: str, context: Mapping[str, str] | None = None) -> None:
        """Check that a role may do something, as IAM decides it.

        Args:
            role_arn: the acting role.
            action: such as `sagemaker:CreateProcessingJob`.
            resource: ARN of what is acted on.
            context: condition keys and values, such as `{"iam:PassedToService": "sagemaker.amazonaws.com"}`.

        Raises:
            ApiError: `AccessDeniedException`, naming role, action and resource.
        """

    def registry(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Call the SageMaker control plane as the account's root, without authorization.

        Args:
            operation: such as `CreateModelPackage`.
            request: its parameters by the names of the service model; timestamps are float epoch seconds.

        Raises:
            ApiError: what the API would answer.
        """

    def put_event(self, source: str, detail_type: str, resources: list[str], detail: Mapping[str, Any]) -> None:
        """Put an event of an AWS service, such as `aws.sagemaker`, on the default event bus."""
