"""REST API of API Gateway: its routes, authentication, throttling and access log."""

import json
from dataclasses import dataclass

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.api.authentication import Authentication
from infra.api.firewall import Firewall
from infra.api.gateway_responses import ProblemResponses
from infra.base.log_group import LogGroup
from infra.base.nag_findings import accept
from infra.base.removal import removal_policy
from infra.settings.environment import Settings
from model_code.contract.images import ALIASES, SIGNATURES

# No address, no header and no body: an access log that holds nothing about a patient.
ACCESS_LOG = {
    "request_id": "$context.requestId",
    "time": "$context.requestTimeEpoch",
    "method": "$context.httpMethod",
    "path": "$context.resourcePath",
    "status": "$context.status",
    "latency_ms": "$context.responseLatency",
    "integration_latency_ms": "$context.integration.latency",
    "response_bytes": "$context.responseLength",
    "api_key_id": "$context.identity.apiKeyId",
    "error": "$context.error.responseType",
}
PUSHES_LOGS = "service-role/AmazonAPIGatewayPushToCloudWatchLogs"


@dataclass(frozen=True)
class Handlers:
    """The functions behind the paths.

    Attributes:
        predict: new predictions, and the service's health.
        site: documents, preflight requests, and what no other function takes.
    """

    predict: lambda_.IFunction
    predictions: lambda_.IFunction
    feedback: lambda_.IFunction
    uploads: lambda_.IFunction
    model: lambda_.IFunction
    site: lambda_.IFunction


class PredictionApi(Construct):
    """The REST API: every path of `openapi/operations.py`, with the authentication that the settings choose."""

    def __init__(self, scope: Construct, construct_id: str, *, handlers: Handlers, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        limits = settings.api
        self.rest_api = apigateway.RestApi(
            self,
            "Resource",
            rest_api_name=settings.name,
            description="Pneumonia probability of a chest radiograph",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            binary_media_types=[
                # The gateway hands a body of any other type on as text, which destroys an image: every name that the
                # function takes has to be here.
                *(*SIGNATURES, *ALIASES, "application/dicom"),
                *(["multipart/related"] if limits.dicom_results else []),  # of several results in one answer
            ],
            # Writing access logs takes a role that belongs to the account and region, not to an API.
            cloud_watch_role=limits.owns_account_log_role,
            cloud_watch_role_removal_policy=(
                removal_policy(retain=settings.retain) if limits.owns_account_log_role else None
            ),
            deploy_options=apigateway.StageOptions(
                stage_name="api",
                access_log_destination=apigateway.LogGroupLogDestination(
                    LogGroup(self, "AccessLogs", retention_days=settings.log_retention_days)
                ),
                access_log_format=apigateway.AccessLogFormat.custom(json.dumps(ACCESS_LOG)),
                # Execution logs and data traces would hold images and answers.
                logging_level=apigateway.MethodLoggingLevel.OFF,
                data_trace_enabled=False,
                metrics_enabled=True,
                tracing_enabled=settings.tracing,
                throttling_rate_limit=limits.stage_requests_per_second,
                throttling_burst_limit=limits.stage_burst,
            ),
        )
        self.rest_api.node.try_remove_child("Endpoint")  # an output of a generated name beside ours
        authentication = Authentication(self, "Authentication", settings=settings)
        self._add_paths(handlers, authentication)
        ProblemResponses(
            self, "Problems", rest_api=self.rest_api, authentication=authentication.kind, origins=limits.allowed_origins
        )
        self.key = self._key(settings) if authentication.kind == "api_key" else None
        if limits.firewall.enabled:
            stage_arn = self.rest_api.deployment_stage.stage_arn
            Firewall(self, "Firewall", stage_arn=stage_arn, settings=settings)
        self.url = self.rest_api.url
        self._explain(settings)

    def _add_paths(self, handlers: Handlers, authentication: Authentication) -> None:
        root, required = self.rest_api.root, authentication.required
        version = root.add_resource("v1")
        predictions = version.add_resource("predictions")
        prediction = predictions.add_resource("{prediction_id}")
        predictions.add_method("POST", _answered_by(handlers.predict), **required)
        prediction.add_method("GET", _answered_by(handlers.predictions), **required)
        prediction.add_resource("feedback").add_method("POST", _answered_by(handlers.feedback), **required)
        version.add_resource("uploads").add_method("POST", _answered_by(handlers.uploads), **required)
        version.add_resource("model").add_method("GET", _answered_by(handlers.model), **required)
        version.add_resource("health").add_method("GET", _answered_by(handlers.predict))
        for part in ("openapi.json", "docs"):
            root.add_resource(part).add_method("GET", _answered_by(handlers.site))
        # A method that a path does not have ends here too, where it can be told from a path that is not there.
        root.add_resource("{proxy+}").add_method("ANY", _answered_by(handlers.site))
        root.add_method("ANY", _answered_by(handlers.site))

    def _key(self, settings: Settings) -> apigateway.IApiKey:
        limits = settings.api
        key = self.rest_api.add_api_key("Key", description=f"{settings.name}: first client")
        plan = self.rest_api.add_usage_plan(
            "Plan",
            throttle=apigateway.ThrottleSettings(rate_limit=limits.requests_per_second, burst_limit=limits.burst),
            quota=apigateway.QuotaSettings(limit=limits.requests_per_day, period=apigateway.Period.DAY),
            api_stages=[apigateway.UsagePlanPerApiStage(api=self.rest_api, stage=self.rest_api.deployment_stage)],
        )
        plan.add_api_key(key)
        return key

    def _explain(self, settings: Settings) -> None:
        accept(
            self.rest_api,
            "AwsSolutions-APIG2",
            reason="a schema cannot validate image bytes; the function behind each method checks what it is sent",
        )
        accept(
            self.rest_api,
            "AwsSolutions-APIG6",
            reason="execution logs would hold images and answers about patients; access logs are written instead",
        )
        accept(
            self.rest_api,
            "AwsSolutions-APIG4",
            "AwsSolutions-COG4",
            reason="clients prove who they are as settings choose; what needs no proof tells nothing about patients",
        )
        if not settings.api.firewall.enabled:
            accept(
                self.rest_api,
                "AwsSolutions-APIG3",
                reason="without a firewall the stage's rate and the usage plan's quota bound what a client can cost",
            )
        accept(
            self.rest_api,
            f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{PUSHES_LOGS}]",
            reason="API Gateway's log role serves all APIs of the account: AWS defines what it has to be able to do",
        )


def _answered_by(function: lambda_.IFunction) -> apigateway.LambdaIntegration:
    return apigateway.LambdaIntegration(function, allow_test_invoke=False)
