"""AWS's TensorFlow Deep Learning Containers in one region."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.base.grants import allow
from infra.base.regions import images_account
from infra.settings.instance_types import is_gpu
from infra.settings.platform import Containers

# What the images for training 2.21 carry of what the step scripts import, but for keras and numpy, which they bound
# (aws/deep-learning-containers at 559bbcd, docker/tensorflow/training/2.21/cpu/uv.lock, read 2026-11).
TRAINING_PACKAGES = {"tensorflow": "2.21.0", "scikit-learn": "1.8.0", "matplotlib": "3.10.9", "pillow": "12.3.0"}
_TRAINING, _SERVING = "tensorflow-training", "tensorflow-inference"


class DeepLearningImages(Construct):
    """Image URIs for what an instance type has, and the right to pull them.

    Raises:
        SettingsError: AWS publishes no such images in the region.
    """

    def __init__(self, scope: Construct, construct_id: str, *, region: str, tags: Containers) -> None:
        super().__init__(scope, construct_id)
        self._account = images_account(region)
        self._region = region
        self._tags = tags

    def training(self, instance_type: str) -> str:
        """URI of the image that preprocesses, trains and evaluates."""
        tag = self._tags.training_gpu_tag if is_gpu(instance_type) else self._tags.training_cpu_tag
        return self._uri(_TRAINING, tag)

    def serving(self, instance_type: str | None) -> str:
        """URI of the image that answers requests; no instance type means a serverless endpoint."""
        gpu = instance_type is not None and is_gpu(instance_type)
        return self._uri(_SERVING, self._tags.serving_gpu_tag if gpu else self._tags.serving_cpu_tag)

    def grant_pull(self, grantee: iam.IGrantable) -> None:
        """Allow to pull both images."""
        pull = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
        self._allow(grantee, pull, (_TRAINING, _SERVING))
        # A registry login is no resource: the action takes "*" only.
        allow(grantee, ["ecr:GetAuthorizationToken"], "*")

    def grant_register(self, grantee: iam.IGrantable) -> None:
        """Allow to register models with the image that answers requests.

        SageMaker notes the digest of a version's image, and AWS's policy for the model registry has these two actions
        "to retrieve information, including metadata, about Amazon ECR images" (AmazonSageMakerModelRegistryFullAccess,
        read 2026-11-30). Whether it asks in the name of who registers is said nowhere, and was not tried.
        """
        self._allow(grantee, ("ecr:BatchGetImage", "ecr:DescribeImages"), (_SERVING,))

    def _allow(self, grantee: iam.IGrantable, actions: tuple[str, ...], repositories: tuple[str, ...]) -> None:
        stack = Stack.of(self)
        allow(
            grantee,
            actions,
            *[
                stack.format_arn(
                    service="ecr",
                    region=self._region,
                    account=self._account,
                    resource="repository",
                    resource_name=repository,
                )
                for repository in repositories
            ],
        )

    def _uri(self, repository: str, tag: str) -> str:
        return f"{self._account}.dkr.ecr.{self._region}.{Stack.of(self).url_suffix}/{repository}:{tag}"
