"""Release stack: Release function, models' roles and topics, which no release changes."""

from aws_cdk import ArnFormat, CfnOutput, Stack
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.base.deep_learning_images import DeepLearningImages
from infra.base.endpoint_access import grant_describe, grant_invoke
from infra.base.event_rule import EventRule
from infra.base.function import Function
from infra.base.sagemaker_role import SageMakerRole
from infra.base.stack import deployable
from infra.endpoint.batch_model import PREFIX
from infra.endpoint.released_package import RELEASED_TYPES, ended, grant_release
from infra.endpoint.rollback_alarms import allow_look
from infra.settings.endpoint import RealtimeEndpoint
from infra.settings.environment import Settings
from infra.storage.data_stack import CAPTURE_PREFIX, DataStack
from infra.training.training_stack import TrainingStack
from lambdas.aws import package_files, provenance


class ReleaseStack(Stack):
    """The function that updates the endpoints' stack when a model is approved, and what their resources refer to.

    The endpoints' stack itself holds nothing but what a release changes (docs/adr/0033). What settings may take away
    again has a fixed name there, because CloudFormation removes no export that is still imported.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, data: DataStack, training: TrainingStack, settings: Settings
    ) -> None:
        super().__init__(scope, construct_id, **deployable(settings, "Chest X-ray: releases and their roles"))
        endpoint, queued = settings.name, settings.asynchronous
        realtime = settings.endpoint if isinstance(settings.endpoint, RealtimeEndpoint) else None
        images = DeepLearningImages(self, "Images", region=settings.region, tags=settings.containers)
        self.endpoint_role = SageMakerRole(self, "EndpointRole", description="Loads the model and answers requests")
        self.batch_role = SageMakerRole(
            self, "BatchModelRole", description="Loads the model and works through images in S3"
        )
        self.topics = self._topics(data, endpoint) if queued else {}
        stack_name = f"{settings.name}-endpoint"
        self.function = self._function(data, training, settings, stack_name=stack_name)
        self.decisions = self._decisions(training, stack_name)
        self.sign = self._sign(data, training, settings)
        self.registrations = EventRule(
            self,
            "Signing",
            function=self.sign,
            description="A model was registered: sign what it is made of",
            pattern=training.registry.registrations(),
        )
        for role in (self.endpoint_role, self.batch_role):
            data.artifacts.grant_read(role, "executions/*")
            images.grant_pull(role)
        if realtime:
            allow_look(self.endpoint_role, endpoint_name=endpoint)
        if realtime and realtime.capture:
            data.artifacts.grant_write(self.endpoint_role, f"{CAPTURE_PREFIX}/*")
        if settings.encryption.keys_volumes:
            for role in (self.endpoint_role, self.batch_role):
                role.encrypt_volumes(data.key.key_arn)
        self.endpoint_role.write_logs(f"Endpoints/{endpoint}")
        self._grant_batches(data, endpoint, queued=queued is not None)
        self._grant_releases(data, training, settings, stack_name=stack_name)

        CfnOutput(self, "ReleaseFunctionName", value=self.function.function_name)

    def _topics(self, data: DataStack, endpoint: str) -> dict[str, str]:
        """ARNs of the topics that the asynchronous endpoint tells `Answers` and `Failures`."""
        # One topic for what succeeded, one for what did not: who mends failures need not hear of every answer.
        topics: dict[str, str] = {}
        for part in ("Answers", "Failures"):
            name = f"{endpoint}-async-{part.lower()}"
            topic = sns.Topic(self, part, topic_name=name, master_key=data.key, enforce_ssl=True)
            topic.grant_publish(self.batch_role)
            topics[part] = self.format_arn(service="sns", resource=name, arn_format=ArnFormat.NO_RESOURCE_NAME)
        return topics

    def _function(self, data: DataStack, training: TrainingStack, settings: Settings, *, stack_name: str) -> Function:
        """Function that updates the endpoints' stack, of that name."""
        return Function(
            self,
            "Release",
            name="release",
            memory_mb=256,
            timeout_seconds=900,  # waits for an update that is under way: the longest a function may run
            environment={
                "ENDPOINT_STACK_NAME": stack_name,
                "ENDPOINT_NAME": settings.name,
                "RELEASED_TYPES": ",".join(RELEASED_TYPES),
                "MODEL_PACKAGE_GROUP_NAME": training.registry.name,
                "ARTIFACT_BUCKET_NAME": data.artifacts.name,
                "SIGNING_KEY_ARN": data.signing_key.key_arn,
                "NOTIFICATION_TOPIC_ARN": training.notifications.topic_arn,
                **({"SITE_EVALUATION_REQUIRED": "true"} if settings.site_evaluation.required_for_release else {}),
            },
            settings=settings,
        )

    def _decisions(self, training: TrainingStack, stack_name: str) -> EventRule:
        """Rules that call the function: for decisions, registrations and the ends of releases."""
        decisions = EventRule(
            self,
            "Decisions",
            function=self.function,
            description="Somebody approved or rejected a model: release it, or say that it still serves",
            pattern=training.registry.decisions(),
        )
        decisions.add_pattern(
            "Registrations",
            description="A model was registered: somebody has to decide about it",
            pattern=training.registry.registrations(),
        )
        decisions.add_pattern(
            "Releases",
            description="A release has ended: ask what really serves, and say so",
            pattern=ended(self, stack_name),
        )
        return decisions

    def _grant_batches(self, data: DataStack, endpoint: str, *, queued: bool) -> None:
        """Grants to the role of the model that works through images in S3."""
        self.batch_role.write_logs("TransformJobs", *([f"Endpoints/{endpoint}-async"] if queued else []))
        data.data.grant_read(self.batch_role, f"{PREFIX}/*")
        data.data.grant_write(self.batch_role, f"{PREFIX}/*")
        if queued:
            # SNS encrypts on behalf of who publishes (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html).
            data.key.grant(self.batch_role, "kms:Decrypt", "kms:GenerateDataKey*")

    def _grant_releases(self, data: DataStack, training: TrainingStack, settings: Settings, *, stack_name: str) -> None:
        """Grants to the Release function."""
        grant_release(self.function, stack_name=stack_name)
        grant_describe(self.function, name=settings.name)
        grant_invoke(self.function, name=settings.name)
        training.registry.grant_read(self.function)
        training.notifications.grant_publish(self.function)
        data.artifacts.grant_write(self.function, "releases/*")
        self._grant_files(self.function, data, provenance.DECISIVE)
        data.signing_key.allow_verify(self.function)
        if settings.site_evaluation.required_for_release:
            data.grant_site_evaluations(self.function)

    def _sign(self, data: DataStack, training: TrainingStack, settings: Settings) -> Function:
        """Function that signs what was registered: the only one that may, and it may decide nothing."""
        # Its role's name is what the key's and the bucket's policies know it by.
        function = Function(
            self,
            "Sign",
            name="sign",
            memory_mb=512,
            timeout_seconds=300,  # some hundred megabytes are read
            environment={
                "MODEL_PACKAGE_GROUP_NAME": training.registry.name,
                "ARTIFACT_BUCKET_NAME": data.artifacts.name,
                "SIGNING_KEY_ARN": data.signing_key.key_arn,
            },
            settings=settings,
        )
        training.registry.grant_read(function)
        for pipeline in (training.pipeline, training.calibration, training.label_calibration):
            pipeline.grant_know_recipe(function)
        self._grant_files(function, data, package_files.ALL)
        data.artifacts.grant_write(function, f"{provenance.PREFIX}/*")
        data.signing_key.allow_sign(function)
        return function

    @staticmethod
    def _grant_files(grantee: Function, data: DataStack, names: tuple[str, ...]) -> None:
        """Allow to read files of registered models, their statements, and to learn that one is missing."""
        # A pipeline registers the model under the name that its evaluation gave it, a promotion under its own.
        own = {"served.tar.gz", *(name.rpartition("/")[2] for name in names)}
        data.artifacts.grant_read(grantee, *(f"executions/*/{name}" for name in sorted(own)), f"{provenance.PREFIX}/*")
        data.artifacts.grant_find(grantee)
