"""KMS key that signs what is registered, with a key policy that separates signing, verifying and administration."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.base.grants import allow
from infra.base.removal import removal_policy
from infra.base.role_names import named
from infra.settings.environment import Settings
from infra.storage.data_key import ADMINISTRATION, kept_by_deployments

VERIFICATION = ["kms:DescribeKey", "kms:GetPublicKey", "kms:Verify"]


class SigningKey(kms.Key):
    """An asymmetric key with which one role signs (docs/adr/0051).

    Its policy names that role alone for signing, whatever IAM policies of the account say, and leaves verifying to
    them: who approves, or administers the key, signs nothing with it. KMS rotates no asymmetric keys
    (https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html, read 2026-11).

    Args:
        signer_name_prefix: start of the signing role's name, of which the rest is generated in a later stack.
    """

    def __init__(self, scope: Construct, construct_id: str, *, signer_name_prefix: str, settings: Settings) -> None:
        account = iam.AccountRootPrincipal()  # stands for whom IAM policies of the account allow
        signer = named(Stack.of(scope), signer_name_prefix)
        super().__init__(
            scope,
            construct_id,
            description=f"{settings.name}: signatures of registered models",
            key_spec=kms.KeySpec.ECC_NIST_P256,
            key_usage=kms.KeyUsage.SIGN_VERIFY,
            removal_policy=removal_policy(retain=settings.retain),
            pending_window=None if settings.retain else Duration.days(7),
            policy=iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(
                        sid="Administration", principals=[account], actions=ADMINISTRATION, resources=["*"]
                    ),
                    kept_by_deployments(Stack.of(scope)),
                    iam.PolicyStatement(
                        sid="SigningByOneRole",
                        principals=[account],
                        actions=["kms:Sign"],
                        resources=["*"],
                        conditions={"ArnLike": {"aws:PrincipalArn": signer}},
                    ),
                    iam.PolicyStatement(
                        sid="Verification", principals=[account], actions=VERIFICATION, resources=["*"]
                    ),
                ]
            ),
        )

    def allow_sign(self, grantee: iam.IGrantable) -> None:
        """Allow to sign; the key's policy has to name the role too."""
        allow(grantee, ["kms:Sign", "kms:DescribeKey"], self.key_arn)

    def allow_verify(self, grantee: iam.IGrantable) -> None:
        """Allow to verify signatures, and to know since when the key is there."""
        allow(grantee, ["kms:Verify", "kms:DescribeKey"], self.key_arn)
