"""Source code and libraries of pipeline executions, published to the artifact bucket."""

from pathlib import Path

from aws_cdk import CustomResource, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from infra.base.assets import stage_libraries, stage_source_code
from infra.base.function import Function
from infra.base.grants import allow
from infra.settings.environment import Settings
from infra.storage.data_stack import CODE_PREFIX
from infra.storage.encrypted_bucket import EncryptedBucket

# More than half of LiteRT's wheel: what compiles models and what runs them on graphics processors.
_UNUSED = frozenset({"libLiteRtWebGpuAccelerator.so", "libLiteRt.so", "pywrap_genai_ops.so", "tools", "vendors", "aot"})
# The training image's own is what its TensorFlow is built with: 2.1 to below 2.5 (docker/tensorflow/training/2.21/cpu/
# pyproject.toml of aws/deep-learning-containers, read 2026-11). imagecodecs takes 2.1 and later.
_OF_THE_IMAGE = frozenset({"numpy", "numpy.libs"})


class SourceCode(Construct):
    """`model_code/` as a `.tar.gz` that every step unpacks, and two dependency groups as a `.zip` each.

    `engine` goes into models, `dicom` to PreprocessImages, which reads DICOM files as the API's function does.

    Each lies at a key of its own content and stays there, so that an execution that was started before a deployment
    finds what it was started with (docs/adr/0032).

    Args:
        artifacts: the bucket they are copied into.
    """

    def __init__(self, scope: Construct, construct_id: str, *, artifacts: EncryptedBucket, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self._artifacts = artifacts
        self._publish = Function(
            self, "Publish", name="publish", environment={}, memory_mb=256, timeout_seconds=300, settings=settings
        )
        artifacts.grant_write(self._publish, f"{CODE_PREFIX}/*")
        files = []
        path, digest = stage_source_code()
        self.name = f"{digest}.tar.gz"
        self.uri = self._uri(self.name)
        files.append(self._file("Asset", path, digest, self.name))
        # An input cannot be left out or empty: without libraries it is an object that has none.
        self.engine_library_uri = self.dicom_library_uri = self.uri
        if settings.vendor_libraries:
            path, digest = stage_libraries("engine", machine="x86_64", unused=_UNUSED)
            files.append(self._file("EngineLibrary", path, digest, f"{digest}.zip"))
            self.engine_library_uri = self._uri(f"{digest}.zip")
            path, digest = stage_libraries("dicom", machine="x86_64", unused=_OF_THE_IMAGE)
            files.append(self._file("DicomLibrary", path, digest, f"{digest}.zip"))
            self.dicom_library_uri = self._uri(f"{digest}.zip")
        published = CustomResource(
            self,
            "Published",
            resource_type="Custom::SourceCode",
            service_token=self._publish.function_arn,
            properties={"BucketName": artifacts.name, "Files": files},
        )
        # Its policies come with the function: without them the first copy would be refused.
        published.node.add_dependency(self._publish)

    def grant_read(self, grantee: iam.IGrantable) -> None:
        """Allow to read what this deployment, those before it and those to come have published."""
        self._artifacts.grant_read(grantee, f"{CODE_PREFIX}/*")

    def _uri(self, name: str) -> str:
        return f"s3://{self._artifacts.name}/{CODE_PREFIX}/{name}"

    def _file(self, construct_id: str, path: Path, digest: str, name: str) -> dict[str, str]:
        """An uploaded file in the Publish function's request; lets it read this one object of the asset bucket."""
        asset = assets.Asset(self, construct_id, path=str(path), asset_hash=digest)
        bucket = Stack.of(self).format_arn(service="s3", region="", account="", resource=asset.s3_bucket_name)
        allow(self._publish, ["s3:GetObject"], f"{bucket}/{asset.s3_object_key}")
        return {
            "FromBucketName": asset.s3_bucket_name,
            "FromKey": asset.s3_object_key,
            "Key": f"{CODE_PREFIX}/{name}",
        }
