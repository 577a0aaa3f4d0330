"""EventBridge Scheduler schedule of the monitoring pipeline."""

from collections.abc import Mapping

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra.training.sagemaker_pipeline import SageMakerPipeline


class MonitoringSchedule(Construct):
    """Starts a pipeline every so many hours, the first time when the schedule is made.

    A schedule of EventBridge Scheduler, and not a rule: it begins at once, where a rule waits for the first period to
    pass, and its window of time keeps it off the moment at which many others start.

    Args:
        pipeline: that is started, with the defaults of the parameters that are not given.
        every_hours: at least 1.
        parameters: of the pipeline, by name; at least one.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline: SageMakerPipeline,
        every_hours: int,
        parameters: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        role = iam.Role(
            self,
            "Role",
            description=f"Starts {pipeline.name}",
            # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
        )
        pipeline.grant_start(role)
        schedule = scheduler.CfnSchedule(
            self,
            "Resource",
            name=pipeline.name,
            description="Compare the predictions that were kept with the model's reference",
            schedule_expression=f"rate({every_hours} hour{'s' if every_hours > 1 else ''})",
            # When is of no importance; not everybody at the full hour is kinder to the service.
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(
                mode="FLEXIBLE", maximum_window_in_minutes=15
            ),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=pipeline.arn,
                role_arn=role.role_arn,
                # Without any, the service refuses the schedule: "Parameters SageMakerPipelineParameters must be
                # specified" (https://github.com/hashicorp/terraform-provider-aws/issues/33526, read on 2026-11-30).
                sage_maker_pipeline_parameters=scheduler.CfnSchedule.SageMakerPipelineParametersProperty(
                    pipeline_parameter_list=[
                        scheduler.CfnSchedule.SageMakerPipelineParameterProperty(name=name, value=value)
                        for name, value in parameters.items()
                    ]
                ),
                # A run that cannot be started is missed soon enough, by an alarm of its own.
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=3600, maximum_retry_attempts=10
                ),
            ),
        )
        schedule.node.add_dependency(role)
