"""From an image to a probability."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.endpoint_stack import EndpointStack
from infra.function import Function
from infra.prediction_api import PredictionApi
from infra.settings import Settings
from infra.stack import deployable


class ApiStack(Stack):
    """The API and the function behind it.

    Args:
        endpoint: the stack with the endpoint.
        settings: of the environment.
    """

    def __init__(self, scope: Construct, construct_id: str, *, endpoint: EndpointStack, settings: Settings) -> None:
        super().__init__(scope, construct_id, **deployable(settings, "Chest X-ray: prediction API"))
        # Only the endpoint's name is needed, which is fixed: nothing else would keep the order of deployment.
        self.add_stack_dependency(endpoint)
        predict = Function(
            self,
            "Predict",
            name="predict",
            memory_mb=1024,  # a cold start is spent on Python imports, which memory's share of a CPU shortens
            timeout_seconds=29,  # API Gateway waits no longer
            powertools=False,
            environment={
                "ENDPOINT_NAME": endpoint.endpoint.name,
                "MAX_IMAGE_BYTES": str(settings.api.max_image_bytes),
            },
            settings=settings,
        )
        api = PredictionApi(self, "Api", predict=predict, settings=settings)

        endpoint.endpoint.grant_invoke(predict)

        CfnOutput(self, "ApiUrl", value=api.url)
        CfnOutput(self, "ApiKeyId", value=api.key.key_id)
        CfnOutput(self, "PredictFunctionName", value=predict.function_name)
