"""Registered models behind a proxy: their package, artifact and key, and an endpoint that serves one."""

from __future__ import annotations

from typing import Any

from tests.faults.services import Services

GROUP, BUCKET, ENDPOINT = "cxr-dev", "artifacts", "cxr-dev"
ROLE = "arn:aws:iam::123456789012:role/sagemaker"


class Registry:
    """The registry, the artifact bucket and the signing key.

    Attributes:
        key: ARN of the key.
    """

    def __init__(self, aws: Services) -> None:
        self.aws, self.s3, self.sagemaker = aws, aws.client("s3"), aws.client("sagemaker")
        self.s3.create_bucket(Bucket=BUCKET)
        self.sagemaker.create_model_package_group(ModelPackageGroupName=GROUP)
        made = aws.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
        self.key: str = made["KeyMetadata"]["Arn"]

    def register(self, approval: str = "Approved") -> str:
        """The ARN of another version."""
        version = len(self.sagemaker.list_model_packages(ModelPackageGroupName=GROUP)["ModelPackageSummaryList"]) + 1
        artifact = f"executions/{version}/model.tar.gz"
        self.s3.put_object(Bucket=BUCKET, Key=artifact, Body=b"model %d" % version * 100)
        container = {"Image": "serving", "ModelDataUrl": f"s3://{BUCKET}/{artifact}"}
        made = self.sagemaker.create_model_package(
            ModelPackageGroupName=GROUP,
            ModelApprovalStatus=approval,
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["image/jpeg"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
        )
        return str(made["ModelPackageArn"])

    def serve(self, package: str) -> None:
        """Have the endpoint serve a version."""
        self.sagemaker.create_model(
            ModelName="model", ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": package}
        )
        variant = {"VariantName": "v", "ModelName": "model", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        self.sagemaker.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[variant])
        self.sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="config")

    def kept(self, prefix: str) -> list[str]:
        """Keys of the artifact bucket."""
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def changed(package: str, approval: str) -> dict[str, Any]:
    """SageMaker's event about a version."""
    detail = {"ModelPackageGroupName": GROUP, "ModelPackageArn": package, "ModelApprovalStatus": approval}
    return {"source": "aws.sagemaker", "detail-type": "SageMaker Model Package State Change", "detail": detail}
