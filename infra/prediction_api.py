"""The HTTPS API in front of the Predict function."""

import json

from aws_cdk import RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.log_group import LogGroup
from infra.problem_responses import ProblemResponses
from infra.settings import Settings

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


class PredictionApi(Construct):
    """`POST v1/predictions` with an API key, `GET v1/health` without.

    Args:
        predict: answers both.
        settings: of the environment.
    """

    def __init__(self, scope: Construct, construct_id: str, *, predict: lambda_.IFunction, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        limits = settings.api
        self.rest_api = apigateway.RestApi(
            self,
            "Resource",
            rest_api_name=settings.name,
            description="Pneumonia probability of a chest radiograph",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            binary_media_types=["image/jpeg", "image/png"],
            # Writing access logs takes a role that belongs to the account and region, not to an API.
            cloud_watch_role=limits.owns_account_log_role,
            cloud_watch_role_removal_policy=(
                (RemovalPolicy.RETAIN if settings.retain else RemovalPolicy.DESTROY)
                if limits.owns_account_log_role
                else None
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
                throttling_rate_limit=limits.requests_per_second,
                throttling_burst_limit=limits.burst,
            ),
        )
        self.rest_api.node.try_remove_child("Endpoint")  # an output of a generated name beside ours
        integration = apigateway.LambdaIntegration(predict, allow_test_invoke=False)
        version = self.rest_api.root.add_resource("v1")
        version.add_resource("predictions").add_method("POST", integration, api_key_required=True)
        version.add_resource("health").add_method("GET", integration)
        ProblemResponses(self, "Problems", rest_api=self.rest_api)

        self.key = self.rest_api.add_api_key("Key", description=f"{settings.name}: first client")
        plan = self.rest_api.add_usage_plan(
            "Plan",
            throttle=apigateway.ThrottleSettings(rate_limit=limits.requests_per_second, burst_limit=limits.burst),
            quota=apigateway.QuotaSettings(limit=limits.requests_per_day, period=apigateway.Period.DAY),
            api_stages=[apigateway.UsagePlanPerApiStage(api=self.rest_api, stage=self.rest_api.deployment_stage)],
        )
        plan.add_api_key(self.key)
        self.url = self.rest_api.url
