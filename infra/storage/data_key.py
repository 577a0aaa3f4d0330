"""KMS key of an environment's data, with a key policy that separates use from administration."""

from aws_cdk import Aws, DefaultStackSynthesizer, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.base.removal import removal_policy
from infra.base.stack import alarm_arn
from infra.settings.environment import Settings

# No cryptographic operation: who administers the key reads nothing with it.
ADMINISTRATION = [
    *("kms:CancelKeyDeletion", "kms:DescribeKey", "kms:DisableKey", "kms:DisableKeyRotation", "kms:EnableKey"),
    *("kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants"),
    *("kms:ListKeyPolicies", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RevokeGrant", "kms:ScheduleKeyDeletion"),
    *("kms:TagResource", "kms:UntagResource", "kms:UpdateKeyDescription"),
]
USE = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
# What holds the environment's data and asks for the key on behalf of who reads or writes it.
SERVICES = ("dynamodb", "s3", "sagemaker", "sns")


class DataKey(kms.Key):
    """A key that rotates, with a policy that names who may use it (docs/adr/0015).

    A key's policy usually leaves everything to the account's IAM policies. This one leaves administration to them, but
    use only to the roles of this environment's stacks, and to people by way of a service: nobody can call Decrypt on
    what they hold in their hands.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"{settings.name}: datasets, models and notifications",
            enable_key_rotation=True,
            removal_policy=removal_policy(retain=settings.retain),
            pending_window=None if settings.retain else Duration.days(7),
            policy=_policy(Stack.of(scope), settings.name),
        )


def budgets(stack: Stack, name: str) -> str:
    """Pattern of the ARNs of an environment's budget."""
    return stack.format_arn(service="budgets", region="", resource="budget", resource_name=f"{name}*")


def sent_by(sources: str) -> dict[str, dict[str, str]]:
    """Conditions under which a service acts for resources of this account and of an environment's names."""
    return {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}, "ArnLike": {"aws:SourceArn": sources}}


def kept_by_deployments(stack: Stack) -> iam.PolicyStatement:
    """Statement by which a deployment may change a key's policy, whatever its tags (docs/adr/0067).

    KMS refuses a new key whose policy who makes it could not change again, and asks that role's IAM policies where the
    key's leaves it to them (aws-samples/rds-snapshot-export-to-s3-pipeline#8, read 2026-11-30). Those of
    docs/deployment-roles.json know a key by its tags, which may take minutes to count: the role of the CDK's bootstrap
    is named here. Not tried in an account.
    """
    # As the synthesizer finds it: KMS refuses a policy that names a role that is not there.
    qualifier = stack.node.try_get_context("@aws-cdk/core:bootstrapQualifier")
    qualifier = qualifier or DefaultStackSynthesizer.DEFAULT_QUALIFIER
    role = f"cdk-{qualifier}-cfn-exec-role-{stack.account}-{stack.region}"
    return iam.PolicyStatement(
        sid="KeptByDeployments",
        principals=[iam.ArnPrincipal(stack.format_arn(service="iam", region="", resource="role", resource_name=role))],
        actions=["kms:PutKeyPolicy"],
        resources=["*"],
    )


def _policy(stack: Stack, name: str) -> iam.PolicyDocument:
    account = iam.AccountRootPrincipal()  # stands for whom IAM policies of the account allow
    roles = stack.format_arn(service="iam", region="", resource="role", resource_name=f"{name}-*")
    services = [f"{service}.{stack.region}.{stack.url_suffix}" for service in SERVICES]
    return iam.PolicyDocument(
        statements=[
            iam.PolicyStatement(sid="Administration", principals=[account], actions=ADMINISTRATION, resources=["*"]),
            kept_by_deployments(stack),
            iam.PolicyStatement(
                sid="UseByRolesOfTheStacks",
                principals=[account],
                actions=USE,
                resources=["*"],
                conditions={"ArnLike": {"aws:PrincipalArn": roles}},
            ),
            iam.PolicyStatement(
                sid="UseThroughServices",
                principals=[account],
                actions=USE,
                resources=["*"],
                conditions={"StringEquals": {"kms:ViaService": services}},
            ),
            # What these send to an encrypted topic is encrypted on their behalf, in nobody's name
            # (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html).
            *(
                iam.PolicyStatement(
                    sid=sid,
                    principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                    actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                    resources=["*"],
                    conditions=sent_by(sources),
                )
                for sid, service, sources in (
                    ("AlarmsToTheTopic", "cloudwatch", alarm_arn(stack, f"{name}-*")),
                    ("BudgetsToTheTopic", "budgets", budgets(stack, name)),
                )
            ),
            # Volumes of instances and tables are encrypted under grants.
            iam.PolicyStatement(
                sid="GrantsToServices",
                principals=[account],
                actions=["kms:CreateGrant"],
                resources=["*"],
                conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
            ),
        ]
    )
