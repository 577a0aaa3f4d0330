"""REST API and its functions."""

import json

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.api.rest_api import Handlers, PredictionApi
from infra.base.endpoint_access import grant_describe, grant_invoke
from infra.base.function import Function
from infra.base.stack import deployable
from infra.base.variables import variables_of
from infra.endpoint.endpoint_stack import EndpointStack
from infra.settings.api import Authentication
from infra.settings.environment import Settings
from infra.storage.data_stack import DataStack
from infra.storage.ttl_table import ExpiringTable
from infra.training.training_stack import TrainingStack
from lambdas.api.environment import (
    Environment,
    FeedbackEnvironment,
    ModelEnvironment,
    PredictionsEnvironment,
    UploadsEnvironment,
)
from lambdas.authorizer.policy import OPENED
from lambdas.aws.provenance import PREFIX
from lambdas.predict.environment import Environment as PredictEnvironment


class ApiStack(Stack):
    """The REST API, the functions behind it, and the table of idempotency keys."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        data: DataStack,
        training: TrainingStack,
        endpoint: EndpointStack,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id, **deployable(settings, "Chest X-ray: prediction API"))
        # Only the endpoint's name is needed, which is fixed: nothing else would keep the order of deployment.
        self.add_stack_dependency(endpoint)
        # What repeated requests were answered before: a day's worth, and no loss.
        requests = ExpiringTable(self, "Requests", key=data.key, retain=False)
        dicom = self._dicom(settings)
        dicom_result = self._dicom_result(settings) if settings.api.dicom_results else None
        self.predict = self._predict(data, requests, endpoint, settings, dicom=dicom, dicom_result=dicom_result)
        handlers = Handlers(
            predict=self.predict,
            predictions=self._predictions(data, settings),
            feedback=self._feedback(data, requests, settings),
            uploads=self._uploads(data, requests, settings),
            model=self._model(data, training, endpoint, settings),
            site=self._site(data, settings),
        )
        api = PredictionApi(self, "Api", handlers=handlers, settings=settings)

        CfnOutput(self, "ApiUrl", value=api.url)
        if api.key is not None:
            CfnOutput(self, "ApiKeyId", value=api.key.key_id)
        CfnOutput(self, "PredictFunctionName", value=self.predict.function_name)

    def _dicom(self, settings: Settings) -> Function:
        """Function that converts DICOM files, without rights but to log."""
        return Function(
            self,
            "Dicom",
            name="dicom",
            memory_mb=1769,  # one whole processor; the largest image takes 450 MB
            timeout_seconds=7,  # Predict waits 8 s, in which a cold start has to fit too
            libraries="dicom",
            powertools=False,
            snap_start=settings.api.dicom_snap_start,
            environment={},
            settings=settings,
        )

    def _dicom_result(self, settings: Settings) -> Function:
        """Function that makes results in DICOM, without rights but to log."""
        return Function(
            self,
            "DicomResult",
            name="dicom_result",
            memory_mb=1769,  # one whole processor, which imports highdicom in a second
            timeout_seconds=5,  # Predict waits 6 s
            libraries="dicom-result",
            powertools=False,
            environment={},
            settings=settings,
        )

    def _predict(
        self,
        data: DataStack,
        requests: ExpiringTable,
        endpoint: EndpointStack,
        settings: Settings,
        *,
        dicom: Function,
        dicom_result: Function | None,
    ) -> Function:
        """Function that answers an image, by way of the endpoint."""
        function = Function(
            self,
            "Predict",
            name="predict",
            memory_mb=1024,  # a cold start is spent on Python imports, which memory's share of a CPU shortens
            timeout_seconds=29,  # API Gateway waits no longer
            libraries="predict",
            powertools=False,
            environment={
                **variables_of(PredictEnvironment, settings.api),
                "ENDPOINT_NAME": endpoint.endpoint.name,
                "DICOM_FUNCTION_NAME": dicom.called.function_name,
                "DICOM_RESULT_FUNCTION_NAME": dicom_result.function_name if dicom_result else "",
                "UPLOAD_BUCKET": data.data.name,
                "PREDICTIONS_TABLE": data.predictions.name,
                "REQUESTS_TABLE": requests.name,
            },
            settings=settings,
        )
        grant_invoke(function, name=endpoint.endpoint.name)
        for asked in filter(None, (dicom, dicom_result)):
            asked.called.grant_invoke(function)
        data.data.grant_read(function, "uploads/*")
        data.predictions.grant(function, "PutItem")
        requests.grant(function, "PutItem", "DeleteItem", ids=["predictions#*"])
        return function

    def _predictions(self, data: DataStack, settings: Settings) -> Function:
        """Function that gives kept predictions back."""
        variables = {"PREDICTIONS_TABLE": data.predictions.name}
        function = self._api_function("Predictions", PredictionsEnvironment, variables, settings)
        data.predictions.grant(function, "GetItem")
        return function

    def _feedback(self, data: DataStack, requests: ExpiringTable, settings: Settings) -> Function:
        """Function that takes a reader's label."""
        variables = {"PREDICTIONS_TABLE": data.predictions.name, "REQUESTS_TABLE": requests.name}
        function = self._api_function("Feedback", FeedbackEnvironment, variables, settings)
        data.predictions.grant(function, "UpdateItem")
        requests.grant(function, "PutItem", "DeleteItem", ids=["feedback#*"])
        return function

    def _uploads(self, data: DataStack, requests: ExpiringTable, settings: Settings) -> Function:
        """Function that hands out forms for images too large for a request."""
        variables = {"UPLOAD_BUCKET": data.data.name, "REQUESTS_TABLE": requests.name}
        function = self._api_function("Uploads", UploadsEnvironment, variables, settings)
        data.data.grant_write(function, "uploads/*")
        requests.grant(function, "PutItem", "DeleteItem", ids=["uploads#*"])
        return function

    def _model(self, data: DataStack, training: TrainingStack, endpoint: EndpointStack, settings: Settings) -> Function:
        """Function that tells which model serves, and how it was evaluated."""
        variables = {
            "ENDPOINT_NAME": endpoint.endpoint.name,
            "ARTIFACT_BUCKET": data.artifacts.name,
            "SIGNING_KEY_ARN": data.signing_key.key_arn,
        }
        function = self._api_function("Model", ModelEnvironment, variables, settings)
        grant_describe(function, name=endpoint.endpoint.name)
        training.registry.grant_read(function)
        data.artifacts.grant_read(function, "executions/*/evaluation/evaluation.json", f"{PREFIX}/*")
        data.artifacts.grant_find(function)
        data.signing_key.allow_verify(function)
        data.grant_site_evaluations(function)
        return function

    def _site(self, data: DataStack, settings: Settings) -> Function:
        """Function of the unauthenticated routes, the page among them."""
        return Function(
            self,
            "Front",
            name="site",
            memory_mb=256,
            timeout_seconds=5,
            powertools=False,
            environment={
                **variables_of(Environment, settings.api),
                "AUTHENTICATION": settings.api.authentication.kind,
                **_sign_in(settings.api.authentication),
                "MAX_IMAGE_BYTES": str(settings.api.max_image_bytes),
                # Presigned forms name the regional address.
                "UPLOAD_ORIGIN": f"https://{data.data.name}.s3.{self.region}.{self.url_suffix}",
            },
            settings=settings,
        )

    def _api_function(
        self, construct_id: str, reads: type[Environment], variables: dict[str, str], settings: Settings
    ) -> Function:
        """A function of `lambdas/api`, whose module has its name in lower case."""
        return Function(
            self,
            construct_id,
            name="api",
            module=construct_id.lower(),
            memory_mb=512,  # pydantic and Powertools take a second to import with less
            timeout_seconds=20,
            environment={**variables_of(reads, settings.api), **variables},
            settings=settings,
        )


def _sign_in(authentication: Authentication) -> dict[str, str]:
    """Environment variable with the page's sign-in settings; none without sign-in."""
    if authentication.kind != "jwt" or authentication.sign_in is None:
        return {}
    scope = " ".join(f"{authentication.scope_prefix}{name}" for name in OPENED)
    return {"SIGN_IN": json.dumps({**authentication.sign_in.model_dump(), "scope": scope})}
