"""The roles that GitHub's workflows deploy and promote with, as a template for the one who sets an account up.

To deploy there are three layers, each with no more than the next one needs:

- a workflow's job proves to AWS which repository and which of its environments it runs in (OIDC: no stored keys), and
  may then assume the CDK's bootstrap roles, nothing else; one that only compares may assume the one that reads;
- those roles upload assets and hand templates to CloudFormation;
- CloudFormation acts with the managed policies of this template (`cdk bootstrap --cloudformation-execution-policies`),
  which are derived from the types in the app's templates: for each, CloudFormation's own schema lists what its handlers
  call.

To promote a model there is one role to read it with where it was approved, and one to register it with.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Template = dict[str, Any]
# What the handlers of a resource type call, by `create`, `read`, `update` and `delete`.
Handlers = Callable[[str], Mapping[str, Any]]
# Whether IAM knows an action: the schemas also name operations that are called otherwise there.
Exists = Callable[[str], bool]

# A guarded update of an endpoint may take 4,500 s with the settings of cdk.json, and the CDK waits for its end. A role
# that a role assumes has an hour at most, whatever it says (IAM user guide, "role chaining"): the CDK
# asks for its bootstrap roles again, as long as the job's own session lasts.
SESSION_SECONDS = 7200
PROVIDER = "token.actions.githubusercontent.com"
# IAM counts characters without white space (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
LARGEST_POLICY = 6144
NAMES = "cxr-${Environment}"
_ARN = "arn:${AWS::Partition}"
_HERE = "${AWS::Region}:${AWS::AccountId}"

# What may be changed, by service. What CloudFormation names begins with its stack's name; where a name is an id that is
# given to it, or a logical id, the account is the border.
SCOPES: dict[str, tuple[str, ...]] = {
    "apigateway": (f"{_ARN}:apigateway:${{AWS::Region}}::/*",),  # ids are given when an API is made
    "application-autoscaling": (f"{_ARN}:application-autoscaling:{_HERE}:scalable-target/*",),  # ids too
    "budgets": (f"{_ARN}:budgets::${{AWS::AccountId}}:budget/{NAMES}*",),
    "cloudtrail": (f"{_ARN}:cloudtrail:{_HERE}:trail/{NAMES}-*",),
    "cloudwatch": (
        f"{_ARN}:cloudwatch:{_HERE}:alarm:{NAMES}-*",
        f"{_ARN}:cloudwatch::${{AWS::AccountId}}:dashboard/{NAMES}*",
    ),
    "cognito-idp": (f"{_ARN}:cognito-idp:{_HERE}:userpool/*",),  # ids too
    "dynamodb": (f"{_ARN}:dynamodb:{_HERE}:table/{NAMES}-*",),
    "ec2": ("*",),  # every id is given when a resource is made; see `NETWORK`
    "events": (f"{_ARN}:events:{_HERE}:rule/{NAMES}-*",),
    "iam": (f"{_ARN}:iam::${{AWS::AccountId}}:role/{NAMES}-*",),
    "kms": ("*",),  # ids too; conditions on tags, see `_key_statements`
    "lambda": (f"{_ARN}:lambda:{_HERE}:function:{NAMES}-*",),
    "logs": (f"{_ARN}:logs:{_HERE}:log-group:{NAMES}-*",),
    "s3": (f"{_ARN}:s3:::{NAMES}-*",),
    "sagemaker": (
        f"{_ARN}:sagemaker:{_HERE}:endpoint/{NAMES}*",
        f"{_ARN}:sagemaker:{_HERE}:endpoint-config/*",  # named by its logical id, as a model is
        f"{_ARN}:sagemaker:{_HERE}:model/*",
        f"{_ARN}:sagemaker:{_HERE}:model-package-group/{NAMES}",
        f"{_ARN}:sagemaker:{_HERE}:pipeline/{NAMES}*",
    ),
    "scheduler": (f"{_ARN}:scheduler:{_HERE}:schedule/*/{NAMES}-*",),
    "sns": (f"{_ARN}:sns:{_HERE}:{NAMES}-*",),
    "sqs": (f"{_ARN}:sqs:{_HERE}:{NAMES}-*",),
    "wafv2": (
        f"{_ARN}:wafv2:{_HERE}:regional/webacl/*",  # a name of the CDK's and an id
        f"{_ARN}:wafv2:{_HERE}:regional/managedruleset/*",
        f"{_ARN}:apigateway:${{AWS::Region}}::/restapis/*",
    ),
}
# Handlers call these for features that no template here uses: contents of objects and tables, cryptography, users and
# groups. Taking a boundary away is for people.
UNUSED_ACTIONS = frozenset(
    {
        *("iam:DeleteGroupPolicy", "iam:GetGroupPolicy", "iam:PutGroupPolicy"),
        *("iam:DeleteUserPolicy", "iam:GetUserPolicy", "iam:PutUserPolicy"),
        "iam:DeleteRolePermissionsBoundary",
        *("kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKey*"),
        *("s3:DeleteObject", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:ListBucket"),
        *("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem"),
        *("dynamodb:DeleteItem", "dynamodb:BatchWriteItem", "dynamodb:GetRecords"),
    }
)
# API Gateway asks for the delivery of access logs, which names no log group.
UNNAMEABLE = frozenset(
    {
        *("logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:GetLogDelivery", "logs:ListLogDeliveries"),
        *("logs:UpdateLogDelivery", "logs:PutResourcePolicy", "logs:DeleteResourcePolicy"),
    }
)
# What gives a role more rights.
WIDENING = frozenset({"iam:AttachRolePolicy", "iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"})
# Services that make a role of their own, once an account, when the first such resource is made.
LINKED = ("ops.apigateway.amazonaws.com", "sagemaker.application-autoscaling.amazonaws.com")
_LINKED_ROLES = f"{_ARN}:iam::${{AWS::AccountId}}:role/aws-service-role/*"
_BOUNDARY = f"{_ARN}:iam::${{AWS::AccountId}}:policy/${{PermissionsBoundary}}"
_READING = ("Describe", "Get", "List")
# The artifact bucket, as CloudFormation names it, and the group of the environment with its packages.
_ARTIFACTS = f"{_ARN}:s3:::{NAMES}-data-artifacts*"
_PACKAGES = (
    f"{_ARN}:sagemaker:{_HERE}:model-package-group/{NAMES}",
    f"{_ARN}:sagemaker:{_HERE}:model-package/{NAMES}/*",
)
# A key's id is given when it is made; its tags, which are the stack's, say whose it is.
_KEY_THROUGH_S3 = {
    "StringEquals": {
        "aws:ResourceTag/environment": {"Fn::Sub": "${Environment}"},
        "kms:ViaService": {"Fn::Sub": "s3.${AWS::Region}.${AWS::URLSuffix}"},
    }
}


class UnscopedServiceError(Exception):
    """A template holds a type of a service whose resources nobody bounded; the message names both."""


def page(templates: Iterable[Template], handlers: Handlers, exists: Exists) -> str:
    """The CloudFormation template, as JSON.

    Args:
        templates: of everything that is deployed.
        handlers: see `Handlers`.
        exists: see `Exists`.

    Raises:
        UnscopedServiceError: see there.
    """
    resources = [resource for template in templates for resource in template["Resources"].values()]
    types = sorted({resource["Type"] for resource in resources if resource["Type"].startswith("AWS::")})
    statements = _execution_statements(_actions(types, handlers, exists), _assuming(resources))
    policies = {f"CloudFormation{index}": group for index, group in enumerate(_packed(statements), start=1)}
    document = {
        "Description": "Chest X-ray: what deploys an environment, generated by `make policy`",
        "Parameters": {
            "Environment": {"Type": "String", "AllowedPattern": "[a-z][a-z0-9]{1,15}"},
            "Repository": {
                "Type": "String",
                "AllowedPattern": "[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+",
                "Description": "GitHub repository whose workflows deploy: owner/name",
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
                "AllowedPattern": "([a-z][a-z0-9]{1,15})?",
                "Description": "GitHub environment whose jobs may copy models from here, such as prod for staging",
            },
            "PermissionsBoundary": {
                "Type": "String",
                "Default": "",
                "Description": "The setting permissions_boundary of the environment; without it, whoever deploys can "
                "give a role of the stacks any right",
            },
        },
        "Conditions": {
            "WithProvider": {"Fn::Equals": [{"Ref": "CreateProvider"}, "true"]},
            "Promoted": {"Fn::Not": [{"Fn::Equals": [{"Ref": "PromotedTo"}, ""]}]},
            "Bounded": {"Fn::Not": [{"Fn::Equals": [{"Ref": "PermissionsBoundary"}, ""]}]},
        },
        "Resources": {
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
            **{name: _managed(name, group) for name, group in policies.items()},
        },
        "Outputs": {
            "DeployRoleArn": {"Value": {"Fn::GetAtt": ["Deploy", "Arn"]}},
            "DiffRoleArn": {"Value": {"Fn::GetAtt": ["Diff", "Arn"]}},
            "PromoteFromRoleArn": {"Condition": "Promoted", "Value": {"Fn::GetAtt": ["PromoteFrom", "Arn"]}},
            "PromoteToRoleArn": {"Value": {"Fn::GetAtt": ["PromoteTo", "Arn"]}},
            "ExecutionPolicies": {
                "Description": "For cdk bootstrap --cloudformation-execution-policies",
                "Value": {"Fn::Join": [",", [{"Ref": name} for name in policies]]},
            },
        },
    }
    return json.dumps(document, indent=2) + "\n"


def _role(name: str, *, subject: str, statements: list[dict[str, Any]], description: str) -> dict[str, Any]:
    """A role that jobs of the repository's workflows assume; `subject` is what the token says of the job."""
    provider = {"Fn::Sub": f"{_ARN}:iam::${{AWS::AccountId}}:oidc-provider/{PROVIDER}"}
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
                                f"{PROVIDER}:sub": {"Fn::Sub": f"repo:${{Repository}}:{subject}"},
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
    bootstrap = f"{_ARN}:iam::${{AWS::AccountId}}:role/cdk-hnb659fds-%s-role-${{AWS::AccountId}}-*"
    return _allow("BootstrapRoles", ["sts:AssumeRole"], tuple(bootstrap % name for name in names))


def _reading_models() -> list[dict[str, Any]]:
    """What `cxr promote` calls where the model comes from."""
    return [
        *_finding_models(),
        _allow("FindFiles", ["s3:ListBucket"], (_ARTIFACTS,)),
        _allow("ReadFiles", ["s3:GetObject"], (f"{_ARTIFACTS}/executions/*",)),
        _allow("Decrypt", ["kms:Decrypt"], ("*",), _KEY_THROUGH_S3),
    ]


def _registering_models() -> list[dict[str, Any]]:
    """What `cxr promote` calls where the model goes."""
    return [
        *_finding_models(),
        _allow("Register", ["sagemaker:CreateModelPackage"], _PACKAGES),
        _allow("ReadPipeline", ["sagemaker:DescribePipeline"], (f"{_ARN}:sagemaker:{_HERE}:pipeline/{NAMES}",)),
        _allow(
            "WriteFiles",
            ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
            (f"{_ARTIFACTS}/executions/promoted-*",),
        ),
        _allow("FindFiles", ["s3:ListBucket"], (_ARTIFACTS,)),
        _allow("Encrypt", ["kms:Decrypt", "kms:GenerateDataKey"], ("*",), _KEY_THROUGH_S3),
    ]


def _finding_models() -> list[dict[str, Any]]:
    stacks = f"{_ARN}:cloudformation:{_HERE}:stack/{NAMES}-*"
    return [
        _allow("Stacks", ["cloudformation:DescribeStacks"], (stacks,)),
        # SageMaker confines listing to no group (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html).
        _allow("ListModels", ["sagemaker:ListModelPackages"], ("*",)),
        _allow("ReadModels", ["sagemaker:DescribeModelPackage"], _PACKAGES),
    ]


def _managed(name: str, statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "ManagedPolicyName": {"Fn::Sub": f"github-cxr-${{Environment}}-{name}"},
            "Description": "What CloudFormation's handlers call for the types of the app's templates",
            "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
        },
    }


def _assuming(resources: list[dict[str, Any]]) -> list[str]:
    """The services that roles of the templates are made for."""
    return sorted(
        {
            str(statement["Principal"]["Service"])
            for resource in resources
            if resource["Type"] == "AWS::IAM::Role"
            for statement in resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        }
    )


def _execution_statements(actions: set[str], passed_to: list[str]) -> list[dict[str, Any]]:
    reading = sorted(action for action in actions if action.partition(":")[2].startswith(_READING))
    statements = [_allow("Reads", reading, ("*",))] if reading else []
    assets = f"{_ARN}:s3:::cdk-hnb659fds-assets-${{AWS::AccountId}}-${{AWS::Region}}/*"
    statements.append(_allow("Assets", ["s3:GetObject"], (assets,)))
    changing: dict[str, list[str]] = {}
    for action in sorted(actions - set(reading)):
        changing.setdefault(action.partition(":")[0], []).append(action)
    for service, changes in changing.items():
        statements += _changes(service, changes, passed_to)
    # Custom resources are calls of functions.
    statements.append(_allow("CustomResources", ["lambda:InvokeFunction"], SCOPES["lambda"]))
    return statements


def _actions(types: list[str], handlers: Handlers, exists: Exists) -> set[str]:
    found = set()
    for kind in types:
        called = {
            action
            for operation in ("create", "read", "update", "delete")
            for action in handlers(kind).get(operation, {}).get("permissions", [])
        }
        # One schema writes CloudTrail. Services beyond those of `SCOPES` are called for features nobody here uses.
        known = {action for action in map(_lower, called) if action.partition(":")[0] in SCOPES}
        if called and not known:
            raise UnscopedServiceError(f"{kind}: say in policy/deployment.py what of its service may be changed.")
        found |= {action for action in known - UNUSED_ACTIONS if exists(action)}
    return found


def _lower(action: str) -> str:
    service, _, name = action.partition(":")
    return f"{service.lower()}:{name}"


def _changes(service: str, actions: list[str], passed_to: list[str]) -> list[dict[str, Any]]:
    sid = "".join(part.capitalize() for part in service.split("-"))
    if service == "kms":
        return _key_statements(actions)
    if service == "iam":
        return _role_statements(actions, passed_to)
    unnameable = sorted(UNNAMEABLE & set(actions))
    named = [action for action in actions if action not in unnameable]
    statements = [_allow(sid, named, SCOPES[service])]
    if unnameable:
        statements.append(_allow(f"{sid}Unnamed", unnameable, ("*",)))
    return statements


def _role_statements(actions: list[str], passed_to: list[str]) -> list[dict[str, Any]]:
    """Who can write a role's policy can do what the role can: with a boundary, never more than that says."""
    widening = sorted(WIDENING & set(actions))
    others = sorted(set(actions) - WIDENING - {"iam:PassRole", "iam:CreateServiceLinkedRole"})
    linked = {"StringEquals": {"iam:AWSServiceName": list(LINKED)}}
    bounded = {"StringEquals": {"iam:PermissionsBoundary": {"Fn::Sub": _BOUNDARY}}}
    passing = {"StringEquals": {"iam:PassedToService": passed_to}}
    return [
        _allow("Iam", others, SCOPES["iam"]),
        _allow("IamWidening", widening, SCOPES["iam"], {"Fn::If": ["Bounded", bounded, {"Ref": "AWS::NoValue"}]}),
        _allow("IamPassRole", ["iam:PassRole"], SCOPES["iam"], passing),
        _allow("IamServiceLinkedRoles", ["iam:CreateServiceLinkedRole"], (_LINKED_ROLES,), linked),
    ]


def _key_statements(actions: list[str]) -> list[dict[str, Any]]:
    """A key's id is given when it is made; its tags, which are the stack's, say whose it is."""
    making = {"kms:CreateKey", "kms:TagResource"}
    tag = "${Environment}"
    request = {"StringEquals": {"aws:RequestTag/environment": {"Fn::Sub": tag}}}
    existing = {"StringEquals": {"aws:ResourceTag/environment": {"Fn::Sub": tag}}}
    return [
        _allow("KmsNew", sorted(making & set(actions)), ("*",), request),
        _allow("Kms", sorted(set(actions) - making), ("*",), existing),
    ]


def _allow(
    sid: str, actions: list[str], resources: tuple[str, ...], condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": actions,
        "Resource": [one if "$" not in one else {"Fn::Sub": one} for one in resources],
    }
    return {**statement, "Condition": condition} if condition else statement


def _packed(statements: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Statements in as few policies as hold them, in order; long lists of actions are cut."""
    groups: list[list[dict[str, Any]]] = [[]]
    for statement in (part for whole in statements for part in _cut(whole)):
        if _size([*groups[-1], statement]) > LARGEST_POLICY * 0.9:
            groups.append([])
        groups[-1].append(statement)
    return groups


def _cut(statement: dict[str, Any]) -> Iterable[dict[str, Any]]:
    actions, size = statement["Action"], 120
    parts = [actions[start : start + size] for start in range(0, len(actions), size)]
    for index, part in enumerate(parts):
        yield {**statement, "Sid": statement["Sid"] + (str(index + 1) if len(parts) > 1 else ""), "Action": part}


def _size(statements: list[dict[str, Any]]) -> int:
    # With what is substituted at its longest: an account's number, a region's name, an environment's.
    text = json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
    return len(text.replace("${AWS::Region}", "ap-southeast-2").replace(NAMES, "cxr-" + 16 * "e"))
