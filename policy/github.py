"""The roles that GitHub's workflows deploy and promote with: who is trusted, and with what."""

from typing import Any

from infra.settings.environment_name import ENVIRONMENT
from policy.statements import ARN, HERE, NAMES, allow

# A guarded update of an endpoint may take 4,500 s with the settings of cdk.json, and the CDK waits for its end. A role
# that a role assumes has an hour at most, whatever it says (IAM user guide, "role chaining"): the CDK
# asks for its bootstrap roles again, as long as the job's own session lasts.
SESSION_SECONDS = 7200
PROVIDER = "token.actions.githubusercontent.com"
# The artifact bucket, as CloudFormation names it, and the group of the environment with its packages.
_ARTIFACTS = f"{ARN}:s3:::{NAMES}-data-artifacts*"
_PACKAGES = (
    f"{ARN}:sagemaker:{HERE}:model-package-group/{NAMES}",
    f"{ARN}:sagemaker:{HERE}:model-package/{NAMES}/*",
)
# AWS's, whose account differs by region.
_SERVING_IMAGES = f"{ARN}:ecr:${{AWS::Region}}:*:repository/tensorflow-inference"
# A key's id is given when it is made; its tags, which are the stack's, say whose it is.
_KEY = {"StringEquals": {"aws:ResourceTag/environment": {"Fn::Sub": "${Environment}"}}}
_KEY_THROUGH_S3 = {
    "StringEquals": {
        **_KEY["StringEquals"],
        "kms:ViaService": {"Fn::Sub": "s3.${AWS::Region}.${AWS::URLSuffix}"},
    }
}


def parameters() -> dict[str, Any]:
    """Parameters of the template that say which repository's jobs are trusted."""
    return {
        "Repository": {
            "Type": "String",
            "AllowedPattern": "[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+",
            "Description": "GitHub repository whose workflows deploy: owner/name",
        },
        **{
            name: {
                "Type": "String",
                "Default": "",
                "AllowedPattern": "[0-9]*",
                "Description": f"GitHub's id of {what}, where the subject of its tokens has ids",
            }
            for name, what in (("OwnerId", "the owner"), ("RepositoryId", "the repository"))
        },
        "CreateProvider": {
            "Type": "String",
            "AllowedValues": ["true", "false"],
            "Default": "true",
            "Description": "false where the account knows GitHub's identity provider already; it has one at most",
        },
        "PromotedTo": {
            "Type": "String",
            "Default": "",
            "AllowedPattern": f"({ENVIRONMENT})?",
            "Description": "GitHub environment whose jobs may copy models from here, such as prod for staging",
        },
    }


def conditions() -> dict[str, Any]:
    """Conditions of the template that its resources here depend on."""
    return {
        "WithProvider": {"Fn::Equals": [{"Ref": "CreateProvider"}, "true"]},
        "WithIds": {
            "Fn::Not": [{"Fn::Or": [{"Fn::Equals": [{"Ref": name}, ""]} for name in ("OwnerId", "RepositoryId")]}]
        },
        "Promoted": {"Fn::Not": [{"Fn::Equals": [{"Ref": "PromotedTo"}, ""]}]},
    }


def resources() -> dict[str, Any]:
    """The identity provider and the roles."""
    return {
        "Provider": {
            "Type": "AWS::IAM::OIDCProvider",
            "Condition": "WithProvider",
            "Properties": {"Url": f"https://{PROVIDER}", "ClientIdList": ["sts.amazonaws.com"]},
        },
        "Deploy": _role(
            "deploy",
            subject="environment:${Environment}",
            statements=[_bootstrap_roles("deploy", "file-publishing", "lookup")],
            description="Deploys this environment, from jobs of the GitHub environment of the same name",
        ),
        "Diff": _role(
            "diff",
            subject="pull_request",
            statements=[_bootstrap_roles("lookup")],
            description="Compares this environment with pull requests: reads, and decrypts nothing",
        ),
        "PromoteFrom": {
            "Condition": "Promoted",
            **_role(
                "promote-from",
                subject="environment:${PromotedTo}",
                statements=_reading_models(),
                description="Reads approved models with their evidence, for another environment's jobs",
            ),
        },
        "PromoteTo": _role(
            "promote-to",
            subject="environment:${Environment}",
            statements=_registering_models(),
            description="Registers models that were approved elsewhere; approves and releases none",
        ),
    }


def outputs() -> dict[str, Any]:
    """Values of the workflows' variables."""
    return {
        "DeployRoleArn": {"Value": {"Fn::GetAtt": ["Deploy", "Arn"]}},
        "DiffRoleArn": {"Value": {"Fn::GetAtt": ["Diff", "Arn"]}},
        "PromoteFromRoleArn": {"Condition": "Promoted", "Value": {"Fn::GetAtt": ["PromoteFrom", "Arn"]}},
        "PromoteToRoleArn": {"Value": {"Fn::GetAtt": ["PromoteTo", "Arn"]}},
    }


def _subjects(subject: str) -> dict[str, Any]:
    """Claims `sub` of tokens of the repository's jobs: names, and since 2026-07-15 names with ids.

    Repositories that are made, renamed or transferred from that day on have ids, others once they choose to
    (https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens, republished with
    this format and day; read 2026-11-28). Ids are compared too: a pattern would let a repository in that took over the
    name.
    """
    names = {"Fn::Sub": f"repo:${{Repository}}:{subject}"}
    parts = {"Fn::Split": ["/", {"Ref": "Repository"}]}
    with_ids = {
        "Fn::Sub": [
            f"repo:${{Owner}}@${{OwnerId}}/${{Name}}@${{RepositoryId}}:{subject}",
            {"Owner": {"Fn::Select": [0, parts]}, "Name": {"Fn::Select": [1, parts]}},
        ]
    }
    return {"Fn::If": ["WithIds", [names, with_ids], names]}


def _role(name: str, *, subject: str, statements: list[dict[str, Any]], description: str) -> dict[str, Any]:
    """A role that jobs of the repository's workflows assume; `subject` is what the token says of the job."""
    provider = {"Fn::Sub": f"{ARN}:iam::${{AWS::AccountId}}:oidc-provider/{PROVIDER}"}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            # Not of the names that CloudFormation itself may change: a deployment must not widen its own role.
            "RoleName": {"Fn::Sub": f"github-cxr-${{Environment}}-{name}"},
            "Description": description,
            "MaxSessionDuration": SESSION_SECONDS,
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "sts:AssumeRoleWithWebIdentity",
                        "Principal": {"Federated": provider},
                        "Condition": {
                            "StringEquals": {
                                f"{PROVIDER}:aud": "sts.amazonaws.com",
                                f"{PROVIDER}:sub": _subjects(subject),
                            }
                        },
                    }
                ],
            },
            "Policies": [
                {"PolicyName": "Use", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}},
            ],
        },
    }


def _bootstrap_roles(*names: str) -> dict[str, Any]:
    """The right to act as these of the CDK's bootstrap roles."""
    bootstrap = f"{ARN}:iam::${{AWS::AccountId}}:role/cdk-hnb659fds-%s-role-${{AWS::AccountId}}-*"
    return allow("BootstrapRoles", ["sts:AssumeRole"], tuple(bootstrap % name for name in names))


def _reading_models() -> list[dict[str, Any]]:
    """Statements for `cxr promote` in the account that the model comes from."""
    return [
        *_finding_models(),
        allow("FindFiles", ["s3:ListBucket"], (_ARTIFACTS,)),
        allow("ReadFiles", ["s3:GetObject"], (f"{_ARTIFACTS}/executions/*", f"{_ARTIFACTS}/signatures/*")),
        allow(
            "ReadExecutions",
            ["sagemaker:DescribePipelineDefinitionForExecution", "sagemaker:ListPipelineParametersForExecution"],
            (f"{ARN}:sagemaker:{HERE}:pipeline/{NAMES}*",),
        ),
        allow("Verify", ["kms:DescribeKey", "kms:Verify"], ("*",), _KEY),
        allow("Decrypt", ["kms:Decrypt"], ("*",), _KEY_THROUGH_S3),
    ]


def _registering_models() -> list[dict[str, Any]]:
    """Statements for `cxr promote` in the account that the model goes to."""
    return [
        *_finding_models(),
        allow("Register", ["sagemaker:CreateModelPackage"], _PACKAGES),
        # Of AWS's container, as the pipelines that register may (`infra/base/deep_learning_images.py`).
        allow("Image", ["ecr:BatchGetImage", "ecr:DescribeImages"], (_SERVING_IMAGES,)),
        allow("ReadPipeline", ["sagemaker:DescribePipeline"], (f"{ARN}:sagemaker:{HERE}:pipeline/{NAMES}",)),
        allow(
            "WriteFiles",
            ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
            (f"{_ARTIFACTS}/executions/promoted-*",),
        ),
        allow("FindFiles", ["s3:ListBucket"], (_ARTIFACTS,)),
        allow("Encrypt", ["kms:Decrypt", "kms:GenerateDataKey"], ("*",), _KEY_THROUGH_S3),
    ]


def _finding_models() -> list[dict[str, Any]]:
    stacks = f"{ARN}:cloudformation:{HERE}:stack/{NAMES}-*"
    return [
        allow("Stacks", ["cloudformation:DescribeStacks"], (stacks,)),
        # SageMaker confines listing to no group (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html).
        allow("ListModels", ["sagemaker:ListModelPackages"], ("*",)),
        allow("ReadModels", ["sagemaker:DescribeModelPackage"], _PACKAGES),
    ]
