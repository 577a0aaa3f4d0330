"""Auto-rollback alarms of blue/green deployments."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.base import metrics
from infra.settings.endpoint import Rollout

# Share of the periods of a span that have to reach the limit: each minute, but half of the times of ten seconds, which
# have a sixth of the requests. A few bad seconds do not take a release back, and a few quiet ones do not keep a broken
# one.
_SHARE = {60: 1.0, 10: 0.5}


class EndpointAlarms(Construct):
    """Auto-rollback alarms on an endpoint's errors and latencies.

    Args:
        endpoint_name: name of the endpoint, which need not exist: its missing metrics are no reason for alarm.
        limits: limits of a rollout, from the settings.
    """

    def __init__(self, scope: Construct, construct_id: str, *, endpoint_name: str, limits: Rollout) -> None:
        super().__init__(scope, construct_id)
        self._dimensions = {"EndpointName": endpoint_name, "VariantName": metrics.VARIANT}
        self._period = limits.alarm_period_seconds
        self.names = [
            self._alarm(
                "Errors",
                metric="Invocation5XXErrors",
                # Each invocation counts as 0 or 1: the average is the share that failed.
                statistic="Average",
                threshold=limits.max_error_percent / 100,
                minutes=2,
                description="Share of the requests that the container answers with an error",
            ),
            self._alarm(
                "Latency",
                metric="ModelLatency",
                statistic="p90",
                threshold=limits.max_latency_ms * metrics.MICROSECONDS,
                minutes=3,
                description="Microseconds that the slowest tenth of requests spends in the model",
            ),
            self._alarm(
                "Overhead",
                metric="OverheadLatency",
                statistic="p90",
                threshold=limits.max_overhead_ms * metrics.MICROSECONDS,
                minutes=3,
                description="Microseconds that the slowest tenth of requests spends on the way to the model and back",
            ),
        ]

    def _alarm(
        self, construct_id: str, *, metric: str, statistic: str, threshold: float, minutes: int, description: str
    ) -> str:
        """Name of a new alarm, which goes off when each of so many minutes, or half of them, reaches the limit."""
        periods = minutes * 60 // self._period
        watched = cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=metric,
            dimensions_map=self._dimensions,
            statistic=statistic,
            period=Duration.seconds(self._period),
        )
        name = f"{self._dimensions['EndpointName']}-rollback-{construct_id.lower()}"
        watched.create_alarm(
            self,
            construct_id,
            # Fixed: another stack's endpoint names it, and settings may take it away again.
            alarm_name=name,
            alarm_description=description,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=periods,
            datapoints_to_alarm=int(periods * share) if (share := _SHARE[self._period]) < 1 else None,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        return name
