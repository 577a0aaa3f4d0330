"""Alarms that take a new model back."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.settings import Canary


class EndpointAlarms(Construct):
    """Errors and latency of an endpoint, as SageMaker publishes them.

    Args:
        endpoint_name: of the endpoint, which need not exist: its missing metrics are no reason for alarm.
        variant: of its configuration.
        canary: limits.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, endpoint_name: str, variant: str, canary: Canary
    ) -> None:
        super().__init__(scope, construct_id)
        dimensions = {"EndpointName": endpoint_name, "VariantName": variant}
        errors = cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name="Invocation5XXErrors",
            dimensions_map=dimensions,
            statistic="Sum",
            period=Duration.minutes(1),
        )
        latency = cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name="ModelLatency",
            dimensions_map=dimensions,
            statistic="p90",
            period=Duration.minutes(1),
        )
        self.names = [
            errors.create_alarm(
                self,
                "Errors",
                alarm_description="Requests the model answered with an error within a minute",
                threshold=canary.max_errors_per_minute,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
                evaluation_periods=1,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            ).alarm_name,
            latency.create_alarm(
                self,
                "Latency",
                alarm_description="Time the slowest tenth of requests spends in the model",
                # SageMaker publishes this metric in microseconds
                # (https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html).
                threshold=canary.max_latency_ms * 1000,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
                evaluation_periods=3,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            ).alarm_name,
        ]
