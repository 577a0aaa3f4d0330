"""Reasons for rights to more than one named thing: every `*` in a resource or an action has one.

The table of permissions prints these reasons, and the tests refuse a wildcard that has none, ours and cdk-nag's alike.
"""

import re

# Actions whose requests name no resource: `*` is all that a policy can say
# (https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html).
UNNAMEABLE = {
    "cloudwatch:GetMetricData": "a metric has no ARN; what it reads are figures",
    "cloudwatch:PutMetricData": "a metric has no ARN; a condition confines the namespace",
    "ecr:GetAuthorizationToken": "a login to a registry is no resource",
    # In a network of one's own.
    "ec2:DescribeDhcpOptions": "EC2 describes without naming a resource",
    "ec2:DescribeNetworkInterfaces": "EC2 describes without naming a resource",
    "ec2:DescribeSecurityGroups": "EC2 describes without naming a resource",
    "ec2:DescribeSubnets": "EC2 describes without naming a resource",
    "ec2:DescribeVpcs": "EC2 describes without naming a resource",
    "ec2:AssignPrivateIpAddresses": "Lambda checks for it on everything; code of functions is denied it",
    "ec2:CreateNetworkInterface": "Lambda checks for it on everything; code of functions is denied it",
    "ec2:DeleteNetworkInterface": "Lambda checks for it on everything; code of functions is denied it",
    "ec2:UnassignPrivateIpAddresses": "Lambda checks for it on everything; code of functions is denied it",
    "sagemaker:ListModelPackages": "the service authorization reference names no resource for it",
    "xray:PutTraceSegments": "a trace has no ARN",
    "xray:PutTelemetryRecords": "telemetry has no ARN",
}

# Policies that AWS wrote and may change.
MANAGED = {
    "service-role/AmazonAPIGatewayPushToCloudWatchLogs": "API Gateway asks the account's role for all of these",
    "service-role/AWSLambdaBasicExecutionRole": (
        "the CDK's own function that empties buckets of environments to delete: its role is not ours to write"
    ),
}

# Patterns of resources as `policy.template.text` renders them, and as cdk-nag does, which leaves imported names alone.
RESOURCES = {
    r".*:model-package/cxr-[a-z0-9]+/\*": "the versions of one group; their numbers are given when they are registered",
    r".*:(processing|training)-job/pipelines-\*": (
        "jobs of pipelines are named pipelines-<execution>-<step>-<random>, whatever the pipeline's name is"
    ),
    r".*:(hyper-parameter-tuning|training)-job/\*-[Tt]rain[Mm]o\*": (
        "tuning jobs of pipelines, and their training jobs, are named <execution>-<step, cut to fit>-<random>"
    ),
    r".*:pipeline/cxr-[a-z0-9]+(-(label-)?calibration)?/execution/\*": (
        "executions of one pipeline; each gets its id when it starts"
    ),
    r".*:endpoint-config/\*[Ee]ndpoint[Cc]onfig\*": "CloudFormation names it after its logical id and a random part",
    r".*:model/\*[Ee]ndpoint[Mm]odel\*": "CloudFormation names it after its logical id and a random part",
    r".*:log-group:/aws/sagemaker/(ProcessingJobs|TrainingJobs|TransformJobs|Endpoints/cxr-[a-z0-9]+(-async)?):\*": (
        "log streams are named by SageMaker when a job or a container starts"
    ),
    r".*:alarm:cxr-[a-z0-9]+-rollback-\*": "each endpoint configuration has alarms of its own, which end with its name",
    r".*:stack/cxr-[a-z0-9]+-endpoint/\*": "a stack's ARN ends in an id that is given when it is created",
    r".*:network-interface/\*": "an interface gets its id when it is made for a job",
    r"(<[\w:]+\.Arn>|cxr-[a-z0-9]+-training:ExportsOutputFnGetAttFindServingModel\w+):\*": (
        "versions of the function before the colon"
    ),
    r"(<[\w:]+\.Arn>|cxr-[a-z0-9]+-data:ExportsOutputFnGetAtt\w+)"
    r"/(batches|capture|checkpoints|code|incoming|monitoring|uploads|datasets|evaluations|executions|releases|signatures|site-evaluations|site-images|weights)/\*"
    r"(\.rejected\.json|/evaluation/evaluation\.json|/site_evaluation\.json"
    r"|/(evaluation|reference|model_card|dataset|promoted_from\.dsse|bom\.cdx)\.json|/report\.html"
    r"|/(model|output|served)\.tar\.gz|/training_images\.jsonl\.gz)?": (
        "the objects below a prefix; their keys are not known beforehand"
    ),
    r"(<[\w:]+\.Arn>|cxr-[a-z0-9]+-data:ExportsOutputFnGetAtt\w+)/radiographs/\*": (
        "radiographs that somebody put there under names of their own, for an inventory to list"
    ),
}

# Patterns of actions that stand for several.
ACTIONS = {
    r"kms:GenerateDataKey\*": "with and without the plain key: S3, SNS and SageMaker ask for one or the other",
    r"kms:ReEncrypt\*": "from and to: one operation needs both",
    r"s3:(DeleteObject|GetBucket|List)\*": "the CDK's own function, which empties buckets of environments to delete",
}

_FINDING = re.compile(r"AwsSolutions-IAM5\[(Resource|Action)::(.*)\]")


def reason_for_resource(resource: str, actions: list[str]) -> str | None:
    """Reason for actions on a resource that holds a wildcard; None where there is none.

    Args:
        resource: as `policy.template.text` renders it.
        actions: of the statement.
    """
    if resource == "*":
        reasons = [UNNAMEABLE.get(action) for action in actions]
        return "; ".join(dict.fromkeys(map(str, reasons))) if all(reasons) else None
    return _first(RESOURCES, resource)


def reason_for_action(action: str) -> str | None:
    """Reason for an action that holds a wildcard; None where there is none."""
    return _first(ACTIONS, action)


def reason_for_finding(rule: str) -> str | None:
    """The reason for a finding of cdk-nag such as `AwsSolutions-IAM5[Resource::*]`.

    cdk-nag does not tell the actions on `*`; that every one of them is in `UNNAMEABLE` is tested on the templates.
    """
    match = _FINDING.fullmatch(rule)
    if match is None:
        return None
    kind, value = match.groups()
    if kind == "Action":
        return reason_for_action(value)
    return "each action on it is explained by itself" if value == "*" else _first(RESOURCES, value)


def _first(table: dict[str, str], value: str) -> str | None:
    return next((reason for pattern, reason in table.items() if re.fullmatch(pattern, value)), None)
