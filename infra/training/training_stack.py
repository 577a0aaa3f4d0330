"""Training stack: upload trigger, SageMaker Pipeline and model registry."""

import math

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_events as events
from constructs import Construct

from infra.base.assets import source_revision
from infra.base.deep_learning_images import DeepLearningImages
from infra.base.endpoint_access import grant_describe
from infra.base.event_rule import EventRule
from infra.base.function import Function
from infra.base.grants import allow
from infra.base.sagemaker_role import SageMakerRole
from infra.base.stack import alarm_arn, deployable, objects_arn
from infra.base.variables import variables_of
from infra.network.vpc import Network
from infra.settings.endpoint import RealtimeEndpoint
from infra.settings.environment import Settings
from infra.settings.platform import Source
from infra.storage.data_stack import CHECKPOINT_PREFIX, RADIOGRAPHS, SITE_IMAGES, DataStack
from infra.training.daily_call import DailyCall
from infra.training.model_registry import ModelRegistry
from infra.training.notifications import Notifications
from infra.training.patient_key import PatientKey
from infra.training.site_pipelines import Calibration, LabelCalibration, SharedParts, SiteEvaluation
from infra.training.source_code import SourceCode
from infra.training.training_pipeline import TrainingPipeline
from lambdas.trigger.environment import Environment as TriggerEnvironment
from model_code.contract.archives import REPORT_SUFFIX


def trigger_memory_mb(max_files: int) -> int:
    """Memory in MB in which the Trigger function judges the directory of an archive with so many entries.

    Of 100,000 with the longest names each took 2.0 kB, of 400,000 with names of 150 letters 1.2 kB, beside 65 MB (peak
    of the resident memory, 2026-11-30): 512 MB were too few for the latter. Lambda ends a function that needs more
    memory before it can say so: nobody would learn why nothing started.
    """
    return max(512, 128 + math.ceil(max_files * 2048 / 2**20))


class TrainingStack(Stack):
    """The pipeline, the registry it adds to, and the function that starts it for each upload.

    Args:
        network: VPC that jobs run in; None leaves it to SageMaker.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, data: DataStack, network: Network | None, settings: Settings
    ) -> None:
        super().__init__(scope, construct_id, **deployable(settings, "Chest X-ray: training pipeline and its trigger"))
        self.notifications = Notifications(
            self, "Notifications", name=settings.name, key=data.key, email=settings.notification_email
        )
        self.registry = ModelRegistry(self, "Registry", name=settings.name, settings=settings)
        images = DeepLearningImages(self, "Images", region=settings.region, tags=settings.containers)
        self.source_code = SourceCode(self, "SourceCode", artifacts=data.artifacts, settings=settings)
        self.patient_key = PatientKey(self, "PatientKey", artifacts=data.artifacts, settings=settings)
        decode_role = SageMakerRole(self, "DecodeRole", description="Reads archives and makes hashes of patients")
        step_role = SageMakerRole(self, "StepRole", description="Splits, trains and evaluates")
        self.serving = self._find_serving_model(settings)
        # It is asked when a training of hours has ended.
        DailyCall(self, "ServingDaily", function=self.serving)
        placeholders = self._placeholders(data, images, decode_role, step_role, settings)
        self.pipeline = TrainingPipeline(
            self,
            "Pipeline",
            name=settings.name,
            placeholders=placeholders,
            network=network.for_jobs() if network else None,
            volume_key=settings.encryption.keys_volumes,
            settings=settings.pipeline,
        )
        shared = SharedParts(
            placeholders=placeholders,
            decode_role=decode_role,
            artifacts=data.artifacts,
            key=data.key,
            source_code=self.source_code,
            images=images,
            network=network,
            settings=settings,
        )
        self._add_site_pipelines(data, shared)
        # An execution needs them from the first moment.
        for pipeline in (self.pipeline, self.site_evaluation, self.calibration, self.label_calibration):
            pipeline.node.add_dependency(self.source_code, self.patient_key)
        self.trigger = self._trigger(data, settings)
        self.uploads = self._uploads(data)
        if settings.monitoring.retrain:
            self._train_again_on_drift(settings.drift_alarm)
        self._grant_decoding(decode_role, data, settings)
        self._grant_steps(step_role, data)
        for role in (decode_role, step_role):
            role.encrypt_volumes(data.key.key_arn)
            self.source_code.grant_read(role)
            images.grant_pull(role)
            role.grant_pass_to_sagemaker(self.pipeline.role)
            if network is not None:
                network.grant_attach(role)
        self._grant_pipeline(data)
        images.grant_register(self.pipeline.role)
        self._grant_find_serving_model(settings)
        self._grant_trigger(data, settings)
        self._add_outputs()

    def _add_site_pipelines(self, data: DataStack, shared: SharedParts) -> None:
        """Pipelines that evaluate a registered model on a site's radiographs, and calibrate it on these or labels."""
        self.site_evaluation = SiteEvaluation(self, "SiteEvaluation", shared=shared).pipeline
        self.calibration = Calibration(
            self, "Calibration", registry=self.registry, serving=self.serving, shared=shared
        ).pipeline
        self.label_calibration = LabelCalibration(
            self,
            "LabelCalibration",
            registry=self.registry,
            serving=self.serving,
            predictions=data.predictions,
            shared=shared,
        ).pipeline

    def _find_serving_model(self, settings: Settings) -> Function:
        """Function that names the model package which serves."""
        return Function(
            self,
            "FindServingModel",
            name="find_serving_model",
            memory_mb=256,
            timeout_seconds=120,  # repeats throttled calls; a Lambda step is not repeated, and waits for ten minutes
            environment={"ENDPOINT_NAME": settings.name, "NOTHING_SERVED_URI": self.source_code.uri},
            settings=settings,
        )

    def _placeholders(
        self,
        data: DataStack,
        images: DeepLearningImages,
        decode_role: SageMakerRole,
        step_role: SageMakerRole,
        settings: Settings,
    ) -> dict[str, str]:
        """Values of the placeholders in the pipelines' definitions, by name."""
        endpoint = settings.endpoint
        serving_instance = endpoint.instance_type if isinstance(endpoint, RealtimeEndpoint) else None
        return {
            "DataBucketName": data.data.name,
            "ArtifactBucketName": data.artifacts.name,
            "DataKeyArn": data.key.key_arn,
            "ArtifactKeyArn": data.key.key_arn,
            "DecodeRoleArn": decode_role.role_arn,
            "StepRoleArn": step_role.role_arn,
            "ProcessingImageUri": images.training(settings.pipeline.processing_instance_type),
            "TrainingImageUri": images.training(settings.pipeline.training_instance_type),
            "ServingImageUri": images.serving(serving_instance),
            "SourceCodeUri": self.source_code.uri,
            "SourceCodeName": self.source_code.name,
            "SourceRevision": source_revision(),
            "EngineLibraryUri": self.source_code.engine_library_uri,
            "DicomLibraryUri": self.source_code.dicom_library_uri,
            "PatientKeyUri": self.patient_key.uri,
            "ModelPackageGroupName": self.registry.name,
            "FindServingModelFunctionArn": self.serving.function_arn,
            "PredictionsTableName": data.predictions.name,
        }

    def _trigger(self, data: DataStack, settings: Settings) -> Function:
        """Function that checks what was uploaded, and starts a pipeline on it."""
        return Function(
            self,
            "Trigger",
            name="trigger",
            memory_mb=trigger_memory_mb(settings.archive.max_files),
            timeout_seconds=300,  # S3 copies an archive of 5 GB within the call that asks for it
            environment={
                "PIPELINE_NAME": self.pipeline.name,
                "SITE_PIPELINE_NAME": self.site_evaluation.name,
                "CALIBRATION_PIPELINE_NAME": self.calibration.name,
                "MODEL_PACKAGES_ARN": self.registry.packages_arn,
                "DATA_BUCKET_NAME": data.data.name,
                "NOTIFICATION_TOPIC_ARN": self.notifications.topic_arn,
                "MAX_ARCHIVE_BYTES": str(settings.archive.max_bytes),
                **variables_of(TriggerEnvironment, settings.archive),
            },
            settings=settings,
        )

    def _uploads(self, data: DataStack) -> EventRule:
        """Rule that calls the Trigger function for each object below `incoming/`, whatever it is called."""
        return EventRule(
            self,
            "Uploads",
            function=self.trigger,
            description="An upload arrived: start a pipeline with it, or say why not",
            pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                # A suffix would know case ("incoming/*.zip" leaves out "incoming/Archive.Zip"), and what is no archive
                # is to be told of. Patterns of one field are alternatives: none leaves the function's reports out, too
                # (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html, 2026-11):
                # the function knows them by their suffix.
                detail={"bucket": {"name": [data.data.name]}, "object": {"key": events.Match.prefix("incoming/")}},
            ),
        )

    def _train_again_on_drift(self, alarm: str) -> None:
        """Have the Trigger function called when the drift alarm of that name goes off."""
        # The alarm is in a stack that is deployed later: its name is all there is to know of it.
        self.uploads.add_pattern(
            "Drift",
            description="What the model is asked has changed: train again on the newest dataset",
            pattern=events.EventPattern(
                source=["aws.cloudwatch"],
                detail_type=["CloudWatch Alarm State Change"],
                resources=[alarm_arn(self, alarm)],
                detail={"alarmName": [alarm], "state": {"value": ["ALARM"]}},
            ),
        )

    def _grant_steps(self, role: SageMakerRole, data: DataStack) -> None:
        """Grants to the role that splits, trains and evaluates."""
        role.write_logs("ProcessingJobs", "TrainingJobs")
        data.artifacts.grant_read(role, "executions/*", f"{CHECKPOINT_PREFIX}/*")
        data.artifacts.grant_write(role, "executions/*", f"{CHECKPOINT_PREFIX}/*")
        # SageMaker removes there what a container removes, or renames, in its directory (docs/adr/0074).
        data.artifacts.grant_delete(role, f"{CHECKPOINT_PREFIX}/*")
        data.artifacts.grant_read(role, "weights/*")  # backbone weights that a platform team put there
        self.registry.grant_read(role)  # where a warm start finds the artifact of a package

    def _grant_pipeline(self, data: DataStack) -> None:
        """Grants to the training pipeline itself."""
        self.pipeline.role.encrypt_volumes(data.key.key_arn)
        data.artifacts.grant_read(self.pipeline.role, "executions/*")
        self.registry.grant_register(self.pipeline.role)
        self.serving.grant_invoke(self.pipeline.role)

    def _grant_decoding(self, role: SageMakerRole, data: DataStack, settings: Settings) -> None:
        """Grants to the role that reads archives."""
        role.write_logs("ProcessingJobs")
        data.data.grant_read(role, "datasets/*", "evaluations/*")
        data.data.grant_read_versions(role, f"{RADIOGRAPHS}/*")
        for source in settings.archive.sources:
            _grant_source(role, source)
        data.artifacts.grant_write(role, "executions/*", f"{SITE_IMAGES}/*")
        self.patient_key.grant_read(role)

    def _grant_find_serving_model(self, settings: Settings) -> None:
        """Grants to the function that names the model package which serves."""
        grant_describe(self.serving, name=settings.name)
        self.registry.grant_read(self.serving)

    def _add_outputs(self) -> None:
        """Outputs of the stack, by which `cxr` finds its parts."""
        CfnOutput(self, "PipelineName", value=self.pipeline.name)
        CfnOutput(self, "SiteEvaluationPipelineName", value=self.site_evaluation.name)
        CfnOutput(self, "CalibrationPipelineName", value=self.calibration.name)
        CfnOutput(self, "LabelCalibrationPipelineName", value=self.label_calibration.name)
        CfnOutput(self, "ModelPackageGroupName", value=self.registry.name)
        CfnOutput(self, "NotificationTopicArn", value=self.notifications.topic_arn)
        CfnOutput(self, "TriggerFunctionName", value=self.trigger.function_name)

    def _grant_trigger(self, data: DataStack, settings: Settings) -> None:
        """Grants to the function that takes archives in."""
        # An upload that was deleted before its event came is no error, and so has to be told from one that may not be
        # read: S3 answers 404 for what is not there to whoever may list, 403 to others (API_HeadObject, read 2026-11).
        data.data.grant_find(self.trigger)
        data.data.grant_read(self.trigger, "incoming/*", "datasets/*", "evaluations/*")
        data.data.grant_write(self.trigger, "datasets/*", "evaluations/*", f"incoming/*{REPORT_SUFFIX}")
        self.pipeline.grant_start(self.trigger)
        self.site_evaluation.grant_start(self.trigger)
        self.calibration.grant_start(self.trigger)
        self.registry.grant_read(self.trigger)  # which model an archive is for
        if settings.monitoring.retrain:
            self.pipeline.grant_look_back(self.trigger)
        self.notifications.grant_publish(self.trigger)


def _grant_source(role: SageMakerRole, source: Source) -> None:
    """Allow to read the versions of objects in a folder that an inventory may list, and nothing else of its bucket."""
    stack = Stack.of(role)
    objects = objects_arn(stack, source.bucket, source.prefix)
    allow(role, ["s3:GetObjectVersion"], objects)
    if source.key_arn:
        allow(
            role,
            ["kms:Decrypt"],
            source.key_arn,
            # By S3 alone, as it answers a read of the job, in the key's region.
            conditions={"StringEquals": {"kms:ViaService": f"s3.{source.key_arn.split(':')[3]}.{stack.url_suffix}"}},
        )
