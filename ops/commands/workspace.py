"""Workspace of a command: the deployment and the services over it, each made when it is first needed."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ops.api import access
from ops.base.deployment import Deployment
from ops.base.session import Session
from ops.models.registry import ModelRegistry
from ops.pipelines.executions import ExecutionReader

if TYPE_CHECKING:
    from lambdas.aws.provenance import Provenance
    from ops.api.access import Access
    from ops.api.predictions import PredictionApi
    from ops.models.promotion import Side

CONNECTIONS = 4


class Workspace:
    """One environment in one account and region, seen with the credentials of a profile or those that are in use."""

    def __init__(self, *, env: str, region: str | None = None, profile: str | None = None) -> None:
        self.session = Session(env=env, region=region, profile=profile)

    @functools.cached_property
    def deployment(self) -> Deployment:
        """The stacks."""
        session = self.session
        return Deployment(
            session.client("cloudformation"), env=session.env, region=session.region, endpoint_url=session.endpoint_url
        )

    @functools.cached_property
    def sagemaker(self) -> Any:
        """The SageMaker client."""
        return self.session.client("sagemaker")

    @functools.cached_property
    def s3(self) -> Any:
        """The S3 client."""
        return self.session.client("s3")

    @functools.cached_property
    def executions(self) -> ExecutionReader:
        """The executions of the deployed pipeline."""
        return ExecutionReader(self.sagemaker, self.session.client("logs"), self.deployment.pipeline)

    @functools.cached_property
    def monitoring_runs(self) -> ExecutionReader:
        """The executions of the deployed monitoring pipeline."""
        return self._reader(self.deployment.monitoring_pipeline, "start one with `cxr monitor`")

    @functools.cached_property
    def site_evaluations(self) -> ExecutionReader:
        """The executions of the deployed pipeline that evaluates models on sites' radiographs."""
        first = "start one with `cxr evaluate ARCHIVE --model VERSION`"
        return self._reader(self.deployment.site_evaluation_pipeline, first)

    @functools.cached_property
    def calibrations(self) -> ExecutionReader:
        """The executions of the deployed pipeline that calibrates models on sites' radiographs."""
        first = "start one with `cxr calibrate VERSION --archive ARCHIVE`"
        return self._reader(self.deployment.calibration_pipeline, first)

    @functools.cached_property
    def label_calibrations(self) -> ExecutionReader:
        """The executions of the deployed pipeline that calibrates models on readers' labels."""
        first = "start one with `cxr calibrate VERSION --labels`"
        return self._reader(self.deployment.label_calibration_pipeline, first)

    def _reader(self, pipeline: str, first: str) -> ExecutionReader:
        """Reader of a pipeline's executions; `first` is what makes the first one."""
        return ExecutionReader(self.sagemaker, self.session.client("logs"), pipeline, first=first)

    @functools.cached_property
    def registry(self) -> ModelRegistry:
        """The registered models and the endpoint."""
        deployment = self.deployment
        return ModelRegistry(
            self.sagemaker, self.s3, group=deployment.model_package_group, endpoint=deployment.endpoint
        )

    @functools.cached_property
    def provenance(self) -> Provenance:
        """Signed statements of the registered models."""
        from lambdas.aws.envelope import SigningKey  # noqa: PLC0415
        from lambdas.aws.provenance import Provenance  # noqa: PLC0415
        from lambdas.aws.statement import PackageInspector  # noqa: PLC0415

        deployment = self.deployment
        key = SigningKey(self.session.client("kms"), deployment.signing_key)
        return Provenance(self.s3, deployment.artifact_bucket, key, PackageInspector(self.sagemaker, self.s3))

    def promotion_side(self) -> Side:
        """The environment as one of the two of a promotion."""
        from ops.models.promotion import Side  # noqa: PLC0415

        group = self.deployment.model_package_group
        return Side(self.session.env, self.sagemaker, self.s3, group, self.provenance)

    def prediction_api(self) -> PredictionApi:
        """The HTTPS API, asked with the deployment's own key, else a token of the environment, else AWS credentials."""
        from ops.api.predictions import PredictionApi, connect  # noqa: PLC0415

        url = self.deployment.api_url
        return PredictionApi(connect(url, connections=CONNECTIONS), url, self._access())

    def _access(self) -> Access:
        if key_id := self.deployment.api_key_id:
            answer = self.session.client("apigateway").get_api_key(apiKey=key_id, includeValue=True)
            return access.ApiKey(answer["value"])
        if token := access.token():
            return access.BearerToken(token)
        return access.Signature(self.session.credentials(), self.session.region or "")

    @property
    def poll_seconds(self) -> float:
        """Seconds between two looks: asking this machine is free, AWS throttles."""
        return 0.5 if self.session.endpoint_url else 5.0
