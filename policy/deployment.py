"""CloudFormation template of the roles with which GitHub's workflows deploy and promote.

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
from collections.abc import Iterable, Mapping
from typing import Any

from infra.settings.environment_name import ENVIRONMENT, LONGEST_ENVIRONMENT
from policy import github, rights
from policy.rights import Exists, Handlers
from policy.statements import ARN, HERE, NAMES, allow

Template = dict[str, Any]

# IAM counts characters without white space (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
LARGEST_POLICY = 6144

# What may be changed, by service. What CloudFormation names begins with its stack's name; where a name is an id that is
# given to it, or a logical id, the account is the border.
SCOPES: dict[str, tuple[str, ...]] = {
    "apigateway": (f"{ARN}:apigateway:${{AWS::Region}}::/*",),  # ids are given when an API is made
    "application-autoscaling": (f"{ARN}:application-autoscaling:{HERE}:scalable-target/*",),  # ids too
    "budgets": (f"{ARN}:budgets::${{AWS::AccountId}}:budget/{NAMES}*",),
    "cloudtrail": (f"{ARN}:cloudtrail:{HERE}:trail/{NAMES}-*",),
    "cloudwatch": (
        f"{ARN}:cloudwatch:{HERE}:alarm:{NAMES}-*",
        # What target tracking makes in the name of who makes the policy, and calls by the endpoint and a random part
        # (https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html).
        f"{ARN}:cloudwatch:{HERE}:alarm:TargetTracking-endpoint/{NAMES}*",
        f"{ARN}:cloudwatch::${{AWS::AccountId}}:dashboard/{NAMES}*",
    ),
    "dynamodb": (f"{ARN}:dynamodb:{HERE}:table/{NAMES}-*",),
    "ec2": ("*",),  # every id is given when a resource is made; see `NETWORK`
    "events": (f"{ARN}:events:{HERE}:rule/{NAMES}-*",),
    "iam": (f"{ARN}:iam::${{AWS::AccountId}}:role/{NAMES}-*",),
    "kms": ("*",),  # ids too; see `_key_statements`
    "lambda": (f"{ARN}:lambda:{HERE}:function:{NAMES}-*",),
    "logs": (f"{ARN}:logs:{HERE}:log-group:{NAMES}-*",),
    "route53": (f"{ARN}:route53:::hostedzone/*",),  # of AWS's own, which are not known before
    "s3": (f"{ARN}:s3:::{NAMES}-*",),
    "sagemaker": (
        f"{ARN}:sagemaker:{HERE}:endpoint/{NAMES}*",
        f"{ARN}:sagemaker:{HERE}:endpoint-config/*",  # named by its logical id, as a model is
        f"{ARN}:sagemaker:{HERE}:model/*",
        # A model of a package: CreateModel is asked for the package too (its action in the policy of "Deploy a Model
        # Version from a Different Account" of the developer guide, read 2026-11-30; not tried in an account).
        f"{ARN}:sagemaker:{HERE}:model-package/{NAMES}/*",
        f"{ARN}:sagemaker:{HERE}:model-package-group/{NAMES}",
        f"{ARN}:sagemaker:{HERE}:pipeline/{NAMES}*",
    ),
    "scheduler": (f"{ARN}:scheduler:{HERE}:schedule/*/{NAMES}-*",),
    "sns": (f"{ARN}:sns:{HERE}:{NAMES}-*",),
    "sqs": (f"{ARN}:sqs:{HERE}:{NAMES}-*",),
    "wafv2": (
        f"{ARN}:wafv2:{HERE}:regional/webacl/*",  # a name of the CDK's and an id
        f"{ARN}:wafv2:{HERE}:regional/managedruleset/*",
        f"{ARN}:apigateway:${{AWS::Region}}::/restapis/*",
    ),
}
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
_LINKED_ROLES = f"{ARN}:iam::${{AWS::AccountId}}:role/aws-service-role/*"
_BOUNDARY = f"{ARN}:iam::${{AWS::AccountId}}:policy/${{PermissionsBoundary}}"
_READING = ("Describe", "Get", "List")
# Reads what is kept: of the environment's buckets only. CloudFormation asks by it (HeadBucket) whether one is there.
_CONTENT = frozenset({"s3:ListBucket"})
# Services that use a key of the stacks in the name of who makes such a resource.
KEY_USERS = {"AWS::DynamoDB::Table": "dynamodb", "AWS::SageMaker::Endpoint": "sagemaker"}


class UnscopedServiceError(Exception):
    """CloudFormation handlers of a type need rights that nothing scopes; the message names both."""


def page(templates: Iterable[Template], handlers: Handlers, exists: Exists) -> str:
    """The CloudFormation template, as JSON.

    Args:
        templates: of everything that is deployed.
        handlers: see `Handlers`.
        exists: see `Exists`.

    Raises:
        UnscopedServiceError: see there.
        NeededRightError: see there.
    """
    resources = [resource for template in templates for resource in template["Resources"].values()]
    statements = _execution_statements(rights.needed(resources, handlers, exists), _assuming(resources))
    policies = {f"CloudFormation{index}": group for index, group in enumerate(_packed(statements), start=1)}
    document = {
        "Description": "Chest X-ray: what deploys an environment, generated by `make policy`",
        "Parameters": {
            "Environment": {"Type": "String", "AllowedPattern": ENVIRONMENT},
            **github.parameters(),
            "PermissionsBoundary": {
                "Type": "String",
                "Default": "",
                "Description": "The setting permissions_boundary of the environment; without it, whoever deploys can "
                "give a role of the stacks any right",
            },
        },
        "Conditions": {
            **github.conditions(),
            "Bounded": {"Fn::Not": [{"Fn::Equals": [{"Ref": "PermissionsBoundary"}, ""]}]},
        },
        "Resources": {
            **github.resources(),
            **{name: _managed(name, group) for name, group in policies.items()},
        },
        "Outputs": {
            **github.outputs(),
            "ExecutionPolicies": {
                "Description": "For cdk bootstrap --cloudformation-execution-policies",
                "Value": {"Fn::Join": [",", [{"Ref": name} for name in policies]]},
            },
        },
    }
    return json.dumps(document, indent=2) + "\n"


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


def _execution_statements(needed: Mapping[str, set[str]], passed_to: list[str]) -> list[dict[str, Any]]:
    reading: set[str] = set()
    changing: dict[str, set[str]] = {}
    using: dict[str, set[str]] = {}
    for kind, actions in needed.items():
        for action in actions:
            service, _, name = action.partition(":")
            if name.startswith(_READING) and action not in _CONTENT:
                reading.add(action)
            elif service == "kms" and kind in KEY_USERS:
                using.setdefault(KEY_USERS[kind], set()).add(action)
            elif service in SCOPES and (service != "kms" or kind == "AWS::KMS::Key"):
                changing.setdefault(service, set()).add(action)
            else:
                raise UnscopedServiceError(
                    f"{kind}: its handlers call {action}. Say in policy/deployment.py what of its service may be "
                    "changed, or in policy/rights.py why not."
                )
    statements = [allow("Reads", sorted(reading), ("*",))] if reading else []
    assets = f"{ARN}:s3:::cdk-hnb659fds-assets-${{AWS::AccountId}}-${{AWS::Region}}/*"
    statements.append(allow("Assets", ["s3:GetObject"], (assets,)))
    for service, changes in sorted(changing.items()):
        statements += _changes(service, sorted(changes), passed_to)
    for service, uses in sorted(using.items()):
        statements += _key_use_statements(service, uses)
    # Custom resources are calls of functions.
    statements.append(allow("CustomResources", ["lambda:InvokeFunction"], SCOPES["lambda"]))
    return statements


def _changes(service: str, actions: list[str], passed_to: list[str]) -> list[dict[str, Any]]:
    sid = "".join(part.capitalize() for part in service.split("-"))
    if service == "kms":
        return _key_statements(actions)
    if service == "iam":
        return _role_statements(actions, passed_to)
    unnameable = sorted(UNNAMEABLE & set(actions))
    named = [action for action in actions if action not in unnameable]
    statements = [allow(sid, named, SCOPES[service])]
    if unnameable:
        statements.append(allow(f"{sid}Unnamed", unnameable, ("*",)))
    return statements


def _role_statements(actions: list[str], passed_to: list[str]) -> list[dict[str, Any]]:
    """Statements on roles: with a boundary, writing a role's policy gives no more rights than the boundary allows."""
    widening = sorted(WIDENING & set(actions))
    others = sorted(set(actions) - WIDENING - {"iam:PassRole", "iam:CreateServiceLinkedRole"})
    linked = {"StringEquals": {"iam:AWSServiceName": list(LINKED)}}
    bounded = {"StringEquals": {"iam:PermissionsBoundary": {"Fn::Sub": _BOUNDARY}}}
    passing = {"StringEquals": {"iam:PassedToService": passed_to}}
    return [
        allow("Iam", others, SCOPES["iam"]),
        allow("IamWidening", widening, SCOPES["iam"], {"Fn::If": ["Bounded", bounded, {"Ref": "AWS::NoValue"}]}),
        allow("IamPassRole", ["iam:PassRole"], SCOPES["iam"], passing),
        allow("IamServiceLinkedRoles", ["iam:CreateServiceLinkedRole"], (_LINKED_ROLES,), linked),
    ]


def _key_statements(actions: list[str]) -> list[dict[str, Any]]:
    """A key's id is given when it is made; its tags, which are the stack's, say whose it is."""
    making = {"kms:CreateKey", "kms:TagResource"} & set(actions)
    # Called seconds after the key is made, and the tags of a key may take five minutes to count
    # (https://docs.aws.amazon.com/kms/latest/developerguide/abac.html, read 2026-11). It harms no key to be rotated.
    # Whatever else comes that early is tried again: a rollback's deletion, by CloudFormation and then by hand.
    fresh = {"kms:EnableKeyRotation"} & set(actions)
    tag = "${Environment}"
    request = {"StringEquals": {"aws:RequestTag/environment": {"Fn::Sub": tag}}}
    existing = {"StringEquals": {"aws:ResourceTag/environment": {"Fn::Sub": tag}}}
    return [
        allow("KmsNew", sorted(making), ("*",), request),
        allow("KmsFresh", sorted(fresh), ("*",)),
        allow("Kms", sorted(set(actions) - making - fresh), ("*",), existing),
    ]


def _key_use_statements(service: str, actions: set[str]) -> list[dict[str, Any]]:
    """The use of keys through one service, and by grants to it: no condition on tags, which do not count yet.

    An endpoint is made when a model is released, when they do; that SageMaker's grants come through it is not said.
    """
    if service == "sagemaker":
        own = {"StringEquals": {"aws:ResourceTag/environment": {"Fn::Sub": "${Environment}"}}}
        to_services = {**own, "Bool": {"kms:GrantIsForAWSResource": "true"}}
        return [allow("KmsSagemakerGrants", sorted(actions), ("*",), to_services)]
    through = {"kms:ViaService": {"Fn::Sub": f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}"}}
    granting = {"kms:CreateGrant", "kms:RevokeGrant"} & actions
    sid = f"Kms{service.capitalize()}"
    return [
        allow(f"{sid}Use", sorted(actions - granting), ("*",), {"StringEquals": through}),
        allow(
            f"{sid}Grants",
            sorted(granting),
            ("*",),
            {"StringEquals": through, "Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    ]


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
    return len(text.replace("${AWS::Region}", "ap-southeast-2").replace(NAMES, "cxr-" + LONGEST_ENVIRONMENT * "e"))
