"""REST API and its functions."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.api.rest_api import Handlers, PredictionApi
from infra.base.endpoint_access import grant_describe, grant_invoke
from infra.base.function import Function
from infra.base.stack import deployable
from infra.endpoint.endpoint_stack import EndpointStack
from infra.settings.environment import Settings
from infra.storage.data_stack import DataStack
from infra.storage.ttl_table import ExpiringTable
from infra.training.training_stack import TrainingStack


class ApiStack(Stack):
    """The REST API, the functions behind it, and the table of idempotency keys.

    Args:
        data: the stack with the buckets and the predictions.
        training: the stack with the registry.
        endpoint: the stack with the endpoint.
        settings: settings of the environment.
    """

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
        options = settings.api
        # What repeated requests were answered before: a day's worth, and no loss.
        requests = ExpiringTable(self, "Requests", key=data.key, retain=False)
        dicom = Function(
            self,
            "Dicom",
            name="dicom",
            memory_mb=1769,  # one whole processor; the largest image takes 450 MB
            timeout_seconds=7,  # Predict waits 8 s, in which a cold start has to fit too
            libraries="dicom",
            powertools=False,
            environment={},
            settings=settings,
        )
        dicom_result = self._dicom_result(settings) if options.dicom_results else None
        common = {"ALLOWED_ORIGINS": " ".join(options.allowed_origins)}
        self.predict = Function(
            self,
            "Predict",
            name="predict",
            memory_mb=1024,  # a cold start is spent on Python imports, which memory's share of a CPU shortens
            timeout_seconds=29,  # API Gateway waits no longer
            libraries="predict",
            powertools=False,
            environment={
                **common,
                "ENDPOINT_NAME": endpoint.endpoint.name,
                "MAX_IMAGE_BYTES": str(options.max_image_bytes),
                "MAX_UPLOAD_BYTES": str(options.max_upload_bytes),
                "DICOM_FUNCTION_NAME": dicom.function_name,
                "DICOM_RESULT_FUNCTION_NAME": dicom_result.function_name if dicom_result else "",
                "UPLOAD_BUCKET": data.data.name,
                "PREDICTIONS_TABLE": data.predictions.name,
                "REQUESTS_TABLE": requests.name,
                "KEEP_DAYS": str(options.keep_days),
                "OUTSIDE_INTENDED_POPULATION": options.outside_intended_population,
            },
            settings=settings,
        )
        predictions = self._beside("Predictions", settings, {**common, "PREDICTIONS_TABLE": data.predictions.name})
        feedback = self._beside(
            "Feedback",
            settings,
            {
                **common,
                "PREDICTIONS_TABLE": data.predictions.name,
                "REQUESTS_TABLE": requests.name,
                "KEEP_LABELLED_DAYS": str(options.keep_labelled_days),
            },
        )
        uploads = self._beside(
            "Uploads",
            settings,
            {
                **common,
                "UPLOAD_BUCKET": data.data.name,
                "REQUESTS_TABLE": requests.name,
                "MAX_UPLOAD_BYTES": str(options.max_upload_bytes),
            },
        )
        model = self._beside(
            "Model",
            settings,
            {**common, "ENDPOINT_NAME": endpoint.endpoint.name, "ARTIFACT_BUCKET": data.artifacts.name},
        )
        front = Function(
            self,
            "Front",
            name="site",
            memory_mb=256,
            timeout_seconds=5,
            powertools=False,
            environment={
                **common,
                "AUTHENTICATION": options.authentication.kind,
                "MAX_IMAGE_BYTES": str(options.max_image_bytes),
                # Presigned forms name the regional address.
                "UPLOAD_ORIGIN": f"https://{data.data.name}.s3.{self.region}.{self.url_suffix}",
            },
            settings=settings,
        )
        handlers = Handlers(
            predict=self.predict, predictions=predictions, feedback=feedback, uploads=uploads, model=model, front=front
        )
        api = PredictionApi(self, "Api", handlers=handlers, settings=settings)

        grant_invoke(self.predict, name=endpoint.endpoint.name)
        for function in filter(None, (dicom, dicom_result)):
            function.grant_invoke(self.predict)
        data.data.grant_read(self.predict, "uploads/*")
        data.predictions.grant(self.predict, "PutItem")
        requests.grant(self.predict, "PutItem", "DeleteItem", ids=["predictions#*"])

        data.predictions.grant(predictions, "GetItem")

        data.predictions.grant(feedback, "UpdateItem")
        requests.grant(feedback, "PutItem", "DeleteItem", ids=["feedback#*"])

        data.data.grant_write(uploads, "uploads/*")
        requests.grant(uploads, "PutItem", "DeleteItem", ids=["uploads#*"])

        grant_describe(model, name=endpoint.endpoint.name)
        training.registry.grant_read(model)
        data.artifacts.grant_read(model, "executions/*/evaluation/evaluation.json")
        data.grant_site_evaluations(model)

        CfnOutput(self, "ApiUrl", value=api.url)
        if api.key is not None:
            CfnOutput(self, "ApiKeyId", value=api.key.key_id)
        CfnOutput(self, "PredictFunctionName", value=self.predict.function_name)

    def _dicom_result(self, settings: Settings) -> Function:
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

    def _beside(self, construct_id: str, settings: Settings, environment: dict[str, str]) -> Function:
        """A function of `lambdas/api`, the module of its name."""
        return Function(
            self,
            construct_id,
            name="api",
            module=construct_id.lower(),
            memory_mb=512,  # pydantic and Powertools take a second to import with less
            timeout_seconds=20,
            environment=environment,
            settings=settings,
        )
