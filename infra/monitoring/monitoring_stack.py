"""Monitoring stack: monitoring pipeline with its schedule, alarms, dashboard and budget."""

import json

from aws_cdk import Annotations, CfnOutput, Stack
from constructs import Construct

from infra.api.api_stack import ApiStack
from infra.base.assets import ROOT
from infra.base.deep_learning_images import DeepLearningImages
from infra.base.grants import allow
from infra.base.metrics import MODEL_NAMESPACE
from infra.base.regions import console, is_available
from infra.base.sagemaker_role import SageMakerRole
from infra.base.stack import deployable
from infra.endpoint.endpoint_stack import EndpointStack
from infra.endpoint.release_stack import ReleaseStack
from infra.monitoring.budget import SpendingBudget
from infra.monitoring.dashboard import Dashboard
from infra.monitoring.schedule import MonitoringSchedule
from infra.monitoring.service_alarms import ServiceAlarms, Watched
from infra.network.vpc import Network
from infra.settings.environment import Settings
from infra.settings.platform import Budget
from infra.storage.data_stack import DataStack
from infra.training.sagemaker_pipeline import SageMakerPipeline
from infra.training.training_stack import TrainingStack

DEFINITION = ROOT / "pipeline" / "definition-monitoring.json"


class MonitoringStack(Stack):
    """The monitoring pipeline and, where settings say so, its schedule, alarms, a dashboard and a budget.

    Args:
        network: VPC that jobs run in; None leaves it to SageMaker.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        data: DataStack,
        training: TrainingStack,
        release: ReleaseStack,
        endpoint: EndpointStack,
        api: ApiStack,
        network: Network | None,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id, **deployable(settings, "Chest X-ray: monitoring and alarms"))
        options = settings.monitoring
        images = DeepLearningImages(self, "Images", region=settings.region, tags=settings.containers)
        monitor_role = SageMakerRole(self, "MonitorRole", description="Compares predictions with a reference")
        pipeline = SageMakerPipeline(
            self,
            "Pipeline",
            name=f"{settings.name}-monitoring",
            compiled=DEFINITION,
            purpose="monitoring",
            placeholders={
                **_placeholders(data, training, endpoint, monitor_role, images.training(options.instance_type)),
                "RunbookUrl": json.dumps(options.runbook_url)[1:-1],  # stands in a JSON string
            },
            defaults=options.defaults(),
            network=network.for_jobs() if network else None,
        )
        watched = _watched(training, release, endpoint, api, monitoring=pipeline.name)
        _export(training, release, api, watched)
        # Nothing else would keep the order of deployment where all of this is off.
        self.add_stack_dependency(api)

        self._add_optional_parts(pipeline, watched, training.notifications.topic_arn, settings)

        _grant_monitoring(monitor_role, data, training, images)
        if network is not None:
            network.grant_attach(monitor_role)

        pipeline.run_jobs("processing")
        pipeline.role.encrypt_volumes(data.key.key_arn)
        monitor_role.grant_pass_to_sagemaker(pipeline.role)
        training.serving.grant_invoke(pipeline.role)

        CfnOutput(self, "MonitoringPipelineName", value=pipeline.name)
        if options.dashboard:
            CfnOutput(
                self,
                "DashboardUrl",
                value=f"https://{console(settings.region)}/cloudwatch/home?region={settings.region}"
                f"#dashboards/dashboard/{settings.name}",
            )

    def _add_optional_parts(
        self, pipeline: SageMakerPipeline, watched: Watched, topic_arn: str, settings: Settings
    ) -> None:
        """Schedule, alarms, dashboard and budget, where settings ask for them."""
        options = settings.monitoring
        if options.every_hours:
            MonitoringSchedule(
                self,
                "Schedule",
                pipeline=pipeline,
                every_hours=options.every_hours,
                parameters={"Days": str(options.days)},
            )
        alarms = (
            ServiceAlarms(self, "Alarms", topic_arn=topic_arn, watched=watched, settings=settings)
            if options.alarms
            else None
        )
        if options.dashboard:
            Dashboard(self, "Dashboard", watched=watched, alarms=alarms.arns if alarms else (), settings=settings)
        if settings.budget is not None:
            self._budget(settings.budget, topic_arn, settings)

    def _budget(self, options: Budget, topic_arn: str, settings: Settings) -> None:
        """The budget, or a warning where CloudFormation makes none."""
        if not is_available("AWS::Budgets::Budget", settings.region):
            Annotations.of(self).add_warning_v2(
                "cxr:budget",
                f"CloudFormation makes no budgets in {settings.region}: nobody is told when a month costs more than "
                f"{options.monthly_usd} USD. Make a budget of the tag project in the account's console.",
            )
            return
        SpendingBudget(
            self,
            "Budget",
            name=settings.name,
            project=settings.tags["project"],
            topic_arn=topic_arn,
            options=options,
        )


def _placeholders(
    data: DataStack, training: TrainingStack, endpoint: EndpointStack, role: SageMakerRole, image: str
) -> dict[str, str]:
    """Values of the placeholders in the pipeline's definition, by name."""
    return {
        "ArtifactBucketName": data.artifacts.name,
        "ArtifactKeyArn": data.key.key_arn,
        "DataKeyArn": data.key.key_arn,
        "MonitorRoleArn": role.role_arn,
        "ProcessingImageUri": image,
        "SourceCodeUri": training.source_code.uri,
        "SourceCodeName": training.source_code.name,
        "FindServingModelFunctionArn": training.serving.function_arn,
        "PredictionsTableName": data.predictions.name,
        "EndpointName": endpoint.endpoint.name,
    }


def _watched(
    training: TrainingStack, release: ReleaseStack, endpoint: EndpointStack, api: ApiStack, *, monitoring: str
) -> Watched:
    """Names of what alarms and dashboard are about; `monitoring` is that of the monitoring pipeline."""
    return Watched(
        predict=api.predict.function_name,
        background={
            "trigger-errors": training.trigger.function_name,
            "release-errors": release.function.function_name,
            "signing-errors": release.sign.function_name,
            "serving-errors": training.serving.function_name,
        },
        dead_letters={
            "uploads-dead": training.uploads.dead_letters.queue_name,
            "releases-dead": release.decisions.dead_letters.queue_name,
            "signing-dead": release.registrations.dead_letters.queue_name,
        },
        training=training.pipeline.name,
        monitoring=monitoring,
        endpoint=endpoint.endpoint.name,
    )


def _export(training: TrainingStack, release: ReleaseStack, api: ApiStack, watched: Watched) -> None:
    """Have the other stacks export what alarms need, and a schedule."""
    # Exported even while nothing here needs them: an export cannot go before what imports it, so settings could
    # turn alarms on and never off again.
    for stack, values in (
        (training, [training.notifications.topic_arn, training.trigger.function_name, training.serving.function_name,
                    watched.dead_letters["uploads-dead"]]),
        (release, [release.function.function_name, release.sign.function_name,
                   watched.dead_letters["releases-dead"], watched.dead_letters["signing-dead"]]),
        (api, [api.predict.function_name]),
    ):  # fmt: skip
        for value in values:
            stack.export_value(value)


def _grant_monitoring(
    role: SageMakerRole, data: DataStack, training: TrainingStack, images: DeepLearningImages
) -> None:
    """Grants to the role that compares predictions with the reference."""
    role.write_logs("ProcessingJobs")
    role.encrypt_volumes(data.key.key_arn)
    # Nothing else of an execution: its shards are radiographs.
    data.artifacts.grant_read(role, "executions/*/reference.json")
    data.artifacts.grant_write(role, "monitoring/*")
    # Earlier runs' figures, for the trend.
    data.artifacts.grant_read(role, "monitoring/*")
    data.predictions.grant(role, "Scan")
    training.source_code.grant_read(role)
    images.grant_pull(role)
    # What was refused and what failed. The action takes "*" only, and no condition about the namespace
    # (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html, read 2026-11).
    allow(role, ["cloudwatch:GetMetricData"], "*")
    # A metric is no resource: the action takes "*" only, so the namespace confines it.
    allow(
        role, ["cloudwatch:PutMetricData"], "*", conditions={"StringEquals": {"cloudwatch:namespace": MODEL_NAMESPACE}}
    )
