"""Autoscaling of endpoint variants: by invocations for an instance, or by a queue's backlog down to no instance."""

from aws_cdk import CfnResource, Stack
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.base.metrics import VARIANT
from infra.endpoint.released_package import ReleasedPackage
from infra.settings.endpoint import Asynchronous, RealtimeEndpoint

DIMENSION = "sagemaker:variant:DesiredInstanceCount"
# A new instance takes some minutes until it answers: nothing is decided about the next one before.
_OUT_SECONDS = 300
# Instances are billed by the second and cost minutes to get back: they go when it stays quiet.
_IN_SECONDS = 600


class EndpointScaling(Construct):
    """Autoscaling of a variant, which exists while its endpoint does.

    Args:
        package: the released package, which the endpoint waits for.
        endpoint: the resource that has to be there first.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        package: ReleasedPackage,
        endpoint: CfnResource,
        endpoint_name: str,
        at_least: int,
        at_most: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self._package = package
        self._endpoint_name = endpoint_name
        self._target = scaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace="sagemaker",
            resource_id=f"endpoint/{endpoint_name}/variant/{VARIANT}",
            scalable_dimension=DIMENSION,
            min_capacity=at_least,
            max_capacity=at_most,
        )
        self._target.node.add_dependency(endpoint)
        package.wait_for(self._target)

    def keep_invocations(self, options: RealtimeEndpoint) -> None:
        """Target tracking by invocations for an instance a minute."""
        self._track(
            scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=options.scaling.invocations_per_minute,
                predefined_metric_specification=scaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty(
                    predefined_metric_type="SageMakerVariantInvocationsPerInstance"
                ),
                scale_out_cooldown=_OUT_SECONDS,
                scale_in_cooldown=_IN_SECONDS,
            )
        )

    def keep_backlog(self, options: Asynchronous) -> None:
        """Target tracking by the backlog for an instance; the first instance starts when any request waits.

        A target of requests for each instance says nothing while there is none, so the first instance comes by a
        policy of its own (https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-autoscale.html).
        """
        self._track(
            scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=options.backlog_per_instance,
                customized_metric_specification=scaling.CfnScalingPolicy.CustomizedMetricSpecificationProperty(
                    namespace="AWS/SageMaker",
                    metric_name="ApproximateBacklogSizePerInstance",
                    statistic="Average",
                    dimensions=[
                        scaling.CfnScalingPolicy.MetricDimensionProperty(name="EndpointName", value=self._endpoint_name)
                    ],
                ),
                scale_out_cooldown=_OUT_SECONDS,
                scale_in_cooldown=_IN_SECONDS,
            )
        )
        first = scaling.CfnScalingPolicy(
            self,
            "FromZero",
            policy_name="FirstInstance",
            policy_type="StepScaling",
            scaling_target_id=self._target.ref,
            step_scaling_policy_configuration=scaling.CfnScalingPolicy.StepScalingPolicyConfigurationProperty(
                adjustment_type="ChangeInCapacity",
                cooldown=_OUT_SECONDS,
                metric_aggregation_type="Maximum",
                step_adjustments=[
                    scaling.CfnScalingPolicy.StepAdjustmentProperty(metric_interval_lower_bound=0, scaling_adjustment=1)
                ],
            ),
        )
        waiting = cloudwatch.CfnAlarm(
            self,
            "Waiting",
            alarm_description="Requests wait, and no instance is there: start one",
            namespace="AWS/SageMaker",
            metric_name="HasBacklogWithoutCapacity",
            dimensions=[cloudwatch.CfnAlarm.DimensionProperty(name="EndpointName", value=self._endpoint_name)],
            statistic="Average",
            period=60,
            evaluation_periods=2,
            datapoints_to_alarm=2,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=1,
            treat_missing_data="missing",
            alarm_actions=[first.attr_arn],
        )
        self._package.wait_for(first, waiting)

    def _track(self, target: scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty) -> None:
        policy = scaling.CfnScalingPolicy(
            self,
            "Tracking",
            policy_name=f"{Stack.of(self).stack_name}-tracking",
            policy_type="TargetTrackingScaling",
            scaling_target_id=self._target.ref,
            target_tracking_scaling_policy_configuration=target,
        )
        self._package.wait_for(policy)
