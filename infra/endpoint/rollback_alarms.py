"""Auto-rollback alarms of blue/green deployments."""

from aws_cdk import Fn, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.base import metrics
from infra.base.grants import allow
from infra.base.sagemaker_role import SageMakerRole
from infra.base.stack import alarm_arn
from infra.settings.endpoint import Rollout

# Share of the periods of a span that have to reach the limit: each minute, but half of the times of ten seconds, which
# have a sixth of the requests. A few bad seconds do not take a release back, and a few quiet ones do not keep a broken
# one.
_SHARE = {60: 1.0, 10: 0.5}


class RollbackAlarms(Construct):
    """Auto-rollback alarms on the errors and latencies of the instances of one endpoint configuration.

    Those of an earlier configuration do not count: of an alarm on the whole endpoint the developer guide says "if your
    old fleet trips the alarm during the deployment, SageMaker terminates your deployment", so a model that fails could
    not be replaced. Metrics of a configuration alone have a dimension of its name and come "after the new fleet starts
    receiving traffic" (both in "Auto-Rollback Configuration and Monitoring", read 2026-11-29; not tried in an account).
    Each configuration has alarms of its own, since one that was turned to another would keep its state for minutes
    (docs/adr/0071).

    Args:
        endpoint_name: name of the endpoint, which need not exist: its missing metrics are no reason for alarm.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, endpoint_name: str, configuration: str, limits: Rollout
    ) -> None:
        super().__init__(scope, construct_id)
        self._endpoint = endpoint_name
        self._configuration = configuration
        self.names: list[str] = []
        self.resources: list[cloudwatch.CfnAlarm] = []
        # That the metrics of a configuration come every ten seconds too is said nowhere: the minute's stay beside them.
        for period in sorted({60, limits.alarm_period_seconds}, reverse=True):
            self._add(
                "Errors",
                period,
                metric="Invocation5XXErrors",
                # Each invocation counts as 0 or 1: the average is the share that failed.
                statistic="Average",
                threshold=limits.max_error_percent / 100,
                minutes=2,
                description="Share of the requests that the container answers with an error",
            )
            self._add(
                "Latency",
                period,
                metric="ModelLatency",
                statistic="p90",
                threshold=limits.max_latency_ms * metrics.MICROSECONDS,
                minutes=3,
                description="Microseconds that the slowest tenth of requests spends in the model",
            )
            self._add(
                "Overhead",
                period,
                metric="OverheadLatency",
                statistic="p90",
                threshold=limits.max_overhead_ms * metrics.MICROSECONDS,
                minutes=3,
                description="Microseconds that the slowest tenth of requests spends on the way to the model and back",
            )

    def _add(
        self, kind: str, period: int, *, metric: str, statistic: str, threshold: float, minutes: int, description: str
    ) -> None:
        """Add an alarm, which goes off when each of so many minutes, or half of them, reaches the limit."""
        periods = minutes * 60 // period
        often = f"-{period}s" if period < 60 else ""
        name = Fn.join("-", [f"{_prefix(self._endpoint)}{kind.lower()}{often}", self._configuration])
        percentile = statistic.startswith("p")
        dimensions = {
            "EndpointName": self._endpoint,
            "VariantName": metrics.VARIANT,
            "EndpointConfigName": self._configuration,
        }
        alarm = cloudwatch.CfnAlarm(
            self,
            f"{kind}{period if often else ''}",
            # Another name with each configuration, so that CloudFormation makes another alarm.
            alarm_name=name,
            alarm_description=description,
            namespace="AWS/SageMaker",
            metric_name=metric,
            dimensions=[{"name": dimension, "value": value} for dimension, value in dimensions.items()],
            statistic=None if percentile else statistic,
            extended_statistic=statistic if percentile else None,
            period=period,
            evaluation_periods=periods,
            datapoints_to_alarm=int(periods * share) if (share := _SHARE[period]) < 1 else None,
            threshold=threshold,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",
        )
        self.names.append(name)
        self.resources.append(alarm)


def allow_look(role: SageMakerRole, *, endpoint_name: str) -> None:
    """Allow SageMaker, acting as the model's role, to look at the alarms.

    "Ensure that your IAM execution role has permission to perform the cloudwatch:DescribeAlarms action on the
    auto-rollback alarms you specify" (page above, read 2026-11-29): which role that is stands nowhere, so this one and
    the one that deploys (`policy/rights.py`) have it.
    """
    allow(role, ["cloudwatch:DescribeAlarms"], alarm_arn(Stack.of(role), f"{_prefix(endpoint_name)}*"))


def _prefix(endpoint_name: str) -> str:
    return f"{endpoint_name}-rollback-"
