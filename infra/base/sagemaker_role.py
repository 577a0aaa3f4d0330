"""A role that SageMaker assumes for work in this account."""

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.base.grants import allow


class SageMakerRole(iam.Role):
    """A role that SageMaker may assume on behalf of this account only."""

    def __init__(self, scope: Construct, construct_id: str, *, description: str) -> None:
        super().__init__(
            scope,
            construct_id,
            description=description,
            # https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
        )

    def write_logs(self, *log_groups: str) -> None:
        """Let the containers write their logs, to groups that SageMaker names, and their metrics.

        Args:
            log_groups: names below `/aws/sagemaker/`, as patterns.
        """
        stack = Stack.of(self)
        arn = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:/aws/sagemaker/"
        # A group that is made has the one ARN, its streams are below the other.
        allow(
            self,
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            *[f"{arn}{group}{end}" for group in log_groups for end in ("", ":*")],
        )
        # A metric is no resource: the action takes "*" only, so the namespace confines it.
        allow(
            self,
            ["cloudwatch:PutMetricData"],
            "*",
            conditions={"StringLike": {"cloudwatch:namespace": ["/aws/sagemaker/*", "aws/sagemaker/*"]}},
        )

    def encrypt_volumes(self, key_arn: str) -> None:
        """Let SageMaker use a key for the volumes of the instances that act as this role."""
        allow(self, ["kms:CreateGrant"], key_arn, conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}})

    def grant_pass_to_sagemaker(self, grantee: iam.IGrantable) -> None:
        """Allow to start jobs that act as this role."""
        allow(
            grantee,
            ["iam:PassRole"],
            self.role_arn,
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )
