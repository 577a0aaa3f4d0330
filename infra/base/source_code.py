"""The step scripts as one object in the deployment's asset bucket."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from infra.base.assets import stage_source_code


class SourceCode(Construct):
    """`model_code/` as a `.tar.gz` that every step unpacks."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        path, digest = stage_source_code()
        self._asset = assets.Asset(self, "Asset", path=str(path), asset_hash=digest)
        self.uri = self._asset.s3_object_url
        self.name = self._asset.s3_object_key

    def grant_read(self, grantee: iam.IGrantable) -> None:
        """Allow to read this one object; the asset's own grant would open the whole bucket."""
        bucket = Stack.of(self).format_arn(service="s3", region="", account="", resource=self._asset.s3_bucket_name)
        grantee.grant_principal.add_to_principal_policy(
            iam.PolicyStatement(actions=["s3:GetObject"], resources=[f"{bucket}/{self._asset.s3_object_key}"])
        )
        # SageMaker lists an input's prefix before it downloads.
        grantee.grant_principal.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[bucket],
                conditions={"StringLike": {"s3:prefix": [f"{self._asset.s3_object_key}*"]}},
            )
        )
