"""Standing costs of an environment a month, resource by resource.

Each type of resource is in one of two lists: what is free by itself, with the reason, and what is charged for. A type
in neither is an error, so that nothing new goes unnoticed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from ops.base.assembly import Assembly, Resource
from ops.base.errors import CommandError
from ops.cost import run_cost
from ops.cost.charges import HOURS_PER_MONTH, Charge, Usage
from ops.cost.fleets import Fleet, of_config

Rule = Callable[[Resource, Assembly, Usage], Iterator[Charge]]

# Metrics of an endpoint by namespace: AWS/SageMaker and /aws/sagemaker/Endpoints; a GPU adds two that are not counted
# ("SageMaker AI metrics in Amazon CloudWatch" of the developer guide, read 2026-11).
_OF_INVOCATIONS = (
    *("Invocations", "InvocationsPerInstance", "ConcurrentRequestsPerModel", "ModelLatency", "OverheadLatency"),
    *("Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors"),
)
_OF_INSTANCES = ("CPUUtilization", "MemoryUtilization", "DiskUtilization")
_REQUESTS = "charged by the request, and nobody asks while it idles"
_CONFIGURATION = "configuration of something that is charged for itself"

FREE = {
    "AWS::ApiGateway::Account": _CONFIGURATION,
    "AWS::ApiGateway::ApiKey": _CONFIGURATION,
    "AWS::ApiGateway::Authorizer": _CONFIGURATION,
    "AWS::ApiGateway::BasePathMapping": _CONFIGURATION,
    "AWS::ApiGateway::Deployment": _CONFIGURATION,
    "AWS::ApiGateway::DomainName": _CONFIGURATION,
    "AWS::ApiGateway::GatewayResponse": _CONFIGURATION,
    "AWS::ApiGateway::Method": _CONFIGURATION,
    "AWS::ApiGateway::Model": _CONFIGURATION,
    "AWS::ApiGateway::RequestValidator": _CONFIGURATION,
    "AWS::ApiGateway::Resource": _CONFIGURATION,
    "AWS::ApiGateway::RestApi": _REQUESTS,
    "AWS::ApiGateway::UsagePlan": _CONFIGURATION,
    "AWS::ApiGateway::UsagePlanKey": _CONFIGURATION,
    "AWS::ApplicationAutoScaling::ScalableTarget": "its instances are charged for at the endpoint",
    "AWS::Budgets::Budget": "budgets without actions are free",
    "AWS::CloudTrail::Trail": "charged by the event that it records",
    "AWS::Cognito::UserPool": "charged by the active user",
    "AWS::Cognito::UserPoolClient": _CONFIGURATION,
    "AWS::Cognito::UserPoolDomain": _CONFIGURATION,
    "AWS::Cognito::UserPoolResourceServer": _CONFIGURATION,
    "AWS::Cognito::UserPoolUser": "charged when active",
    "AWS::EC2::InternetGateway": "only traffic is charged",
    "AWS::EC2::Route": _CONFIGURATION,
    "AWS::EC2::RouteTable": _CONFIGURATION,
    "AWS::EC2::SecurityGroup": _CONFIGURATION,
    "AWS::EC2::SecurityGroupEgress": _CONFIGURATION,
    "AWS::EC2::SecurityGroupIngress": _CONFIGURATION,
    "AWS::EC2::FlowLog": "what it logs is charged at its log group",
    "AWS::EC2::Subnet": _CONFIGURATION,
    "AWS::EC2::SubnetRouteTableAssociation": _CONFIGURATION,
    "AWS::EC2::VPC": _CONFIGURATION,
    "AWS::EC2::VPCGatewayAttachment": _CONFIGURATION,
    "AWS::IAM::ManagedPolicy": "IAM is free",
    "AWS::IAM::OIDCProvider": "IAM is free",
    "AWS::IAM::Policy": "IAM is free",
    "AWS::IAM::Role": "IAM is free",
    "AWS::KMS::Alias": _CONFIGURATION,
    "AWS::Lambda::EventInvokeConfig": _CONFIGURATION,
    "AWS::Lambda::Alias": _CONFIGURATION,
    "AWS::Lambda::LayerVersion": _CONFIGURATION,
    "AWS::Lambda::Permission": _CONFIGURATION,
    "AWS::Lambda::Version": "its snapshot, where it has one, is charged for at the function",
    "AWS::Logs::QueryDefinition": _CONFIGURATION,
    "AWS::Logs::ResourcePolicy": _CONFIGURATION,
    "AWS::S3::BucketPolicy": _CONFIGURATION,
    "AWS::SNS::Subscription": _CONFIGURATION,
    "AWS::SNS::Topic": _REQUESTS,
    "AWS::SNS::TopicPolicy": _CONFIGURATION,
    "AWS::SQS::Queue": _REQUESTS,
    "AWS::SQS::QueuePolicy": _CONFIGURATION,
    "AWS::SSM::Parameter": "standard parameters are free",
    "AWS::SageMaker::Endpoint": "its configuration says what runs",
    "AWS::SageMaker::Model": "charged where it runs",
    "AWS::SageMaker::ModelPackageGroup": "what it points to is charged at the bucket",
    "AWS::SageMaker::Pipeline": "charged by the job",
    "AWS::WAFv2::LoggingConfiguration": "what it logs is charged at its log group",
    "AWS::WAFv2::WebACLAssociation": _CONFIGURATION,
}


def standing(assembly: Assembly, usage: Usage) -> list[Charge]:
    """Charges of an idle month: no training and no predictions.

    Raises:
        CommandError: the templates hold a type of resource that is in neither list.
    """
    unknown = unknown_types(assembly)
    if unknown:
        raise CommandError(
            f"cxr does not know what {', '.join(unknown)} cost: add them to ops/cost/standing_cost.py, free or with "
            "a rule."
        )
    charges: list[Charge] = []
    for resource in assembly.resources:
        if rule := RULES.get(resource.kind):
            charges.extend(rule(resource, assembly, usage))
    return charges


def unknown_types(assembly: Assembly) -> list[str]:
    """Resource types without a price rule and not known to be free."""
    kinds = {resource.kind for resource in assembly.resources}
    # A custom resource is a call of a function in the same templates, made when the stack changes.
    return sorted(kind for kind in kinds - set(FREE) - set(RULES) if not kind.startswith("Custom::"))


def _bucket(resource: Resource, _assembly: Assembly, usage: Usage) -> Iterator[Charge]:
    yield Charge(
        resource.part, resource.name, "storage", usage.bucket_gb, "AmazonS3/TimedStorage-ByteHrs",
        f"{usage.bucket_gb:g} GB assumed",
    )  # fmt: skip


def _key(resource: Resource, _assembly: Assembly, _usage: Usage) -> Iterator[Charge]:
    # Each of the first two rotations adds what a key costs (aws.amazon.com/kms/pricing).
    rotates = resource.properties.get("EnableKeyRotation") is True
    formula = "1 key, 3 from its second yearly rotation on" if rotates else "1 key"
    yield Charge(resource.part, resource.name, "keys", 1, "awskms/KMS-Keys", formula, most=3 if rotates else None)


def _log_group(resource: Resource, _assembly: Assembly, usage: Usage) -> Iterator[Charge]:
    days = resource.properties.get("RetentionInDays")
    kept = f"kept {days} days" if days else "kept for ever"
    yield Charge(
        resource.part, resource.name, "logs", usage.log_gb, "AmazonCloudWatch/TimedStorage-ByteHrs",
        f"{usage.log_gb:g} GB assumed, {kept}",
    )  # fmt: skip


def _alarm(resource: Resource, _assembly: Assembly, _usage: Usage) -> Iterator[Charge]:
    queries = [query for query in resource.properties.get("Metrics", []) if "MetricStat" in query]
    metrics = len(queries) or 1
    seconds = int(resource.properties.get("Period", 60))
    # "Specifying 10, 20, or 30 also sets this alarm as a high-resolution alarm" (API_PutMetricAlarm, read 2026-11).
    kind, often = ("HighResAlarm", f", every {seconds} s") if seconds < 60 else ("Alarm", "")
    yield Charge(
        resource.part, resource.name, "alarms", metrics, f"AmazonCloudWatch/CW:{kind}MonitorUsage",
        f"{metrics} {'metric' if metrics == 1 else 'metrics'}{often}",
    )  # fmt: skip


def _composite_alarm(resource: Resource, _assembly: Assembly, _usage: Usage) -> Iterator[Charge]:
    yield Charge(resource.part, resource.name, "alarms", 1, "AmazonCloudWatch/CW:CompositeAlarmMonitorUsage", "1 alarm")


def _scaling_policy(resource: Resource, _assembly: Assembly, _usage: Usage) -> Iterator[Charge]:
    if resource.properties.get("PolicyType") == "TargetTrackingScaling":
        yield Charge(
            resource.part, resource.name, "alarms", 2, "AmazonCloudWatch/CW:AlarmMonitorUsage",
            "2 alarms that target tracking makes",
        )  # fmt: skip


def _dashboard(resource: Resource, _assembly: Assembly, _usage: Usage) -> Iterator[Charge]:
    yield Charge(resource.part, resource.name, "alarms", 1, "AmazonCloudWatch/DashboardsUsage", "1 dashboard")


def _metric_filter(resource: Resource, _assembly: Assembly, _usage: Usage) -> Iterator[Charge]:
    count = len(resource.properties.get("MetricTransformations", [])) or 1
    yield Charge(
        resource.part, resource.name, "alarms", count, "AmazonCloudWatch/CW:MetricMonitorUsage",
        f"{count} custom metric, once it has data",
    )  # fmt: skip


def _endpoint_config(resource: Resource, assembly: Assembly, _usage: Usage) -> Iterator[Charge]:
    for variant in resource.properties.get("ProductionVariants", []):
        yield from _provisioned(resource, variant.get("ServerlessConfig", {}))
    metrics = resource.properties.get("MetricsConfig", {})
    for fleet in of_config(assembly, resource):
        first, *fallbacks = fleet.instance_types
        formula = f"{fleet.fewest} x {first} x {HOURS_PER_MONTH} h"
        if fleet.most != fleet.fewest:
            formula += f", scaling to {fleet.most}"
        if fallbacks:
            formula += f", without capacity {' or '.join(fallbacks)}"
        yield Charge(
            resource.part,
            resource.name,
            "compute",
            fleet.fewest * HOURS_PER_MONTH,
            f"AmazonSageMaker/Host:{first}",
            formula,
            most=fleet.most * HOURS_PER_MONTH,
            instead=tuple(f"AmazonSageMaker/Host:{fallback}" for fallback in fallbacks),
        )
        if metrics.get("EnableEnhancedMetrics"):
            yield _enhanced_metrics(resource, fleet)
        if metrics.get("EnableDetailedObservability"):
            # SageMaker adds nothing for it; what CloudWatch takes for the data is documented by no number
            # ("detailed observability for inference endpoints" of the developer guide, read 2026-11).
            yield Charge(
                resource.part, resource.name, "alarms", fleet.fewest, "cxr/detailed-observability",
                f"OpenTelemetry data of {fleet.fewest} instances", most=fleet.most,
            )  # fmt: skip


def _enhanced_metrics(resource: Resource, fleet: Fleet) -> Charge:
    """One more custom metric for each metric of the endpoint and instance: "Standard CloudWatch pricing applies per
    metric per unique dimension combination" ("enhanced metrics" of the developer guide, read 2026-11)."""
    each = len(_OF_INVOCATIONS) + len(_OF_INSTANCES)
    return Charge(
        resource.part, resource.name, "alarms", fleet.fewest * each, "AmazonCloudWatch/CW:MetricMonitorUsage",
        f"{each} metrics of each of {fleet.fewest} instances", most=fleet.most * each,
    )  # fmt: skip


def _provisioned(resource: Resource, serverless: dict[str, Any]) -> Iterator[Charge]:
    """A serverless endpoint costs something while it idles only where concurrency is provisioned."""
    provisioned = int(serverless.get("ProvisionedConcurrency", 0))
    if provisioned:
        gb = int(serverless["MemorySizeInMB"]) // 1024
        yield Charge(
            resource.part,
            resource.name,
            "compute",
            provisioned * HOURS_PER_MONTH * 3600,
            f"AmazonSageMaker/ServerlessInf:Prov-Mem-{gb}GB",
            f"{provisioned} provisioned x {HOURS_PER_MONTH} h x 3,600 s",
        )


def _function(resource: Resource, _assembly: Assembly, _usage: Usage) -> Iterator[Charge]:
    """A function is charged by the request, and the snapshot of its version while it is kept."""
    if resource.properties.get("SnapStart", {}).get("ApplyOn") == "PublishedVersions":
        gb = int(resource.properties.get("MemorySize", 128)) / 1024
        yield Charge(
            resource.part, resource.name, "compute", gb * HOURS_PER_MONTH * 3600,
            "AWSLambda/Lambda-SnapStart-Cached-GB-S", f"a snapshot of {gb:.3g} GB x {HOURS_PER_MONTH} h x 3,600 s",
        )  # fmt: skip


def _stage(resource: Resource, _assembly: Assembly, _usage: Usage) -> Iterator[Charge]:
    if resource.properties.get("CacheClusterEnabled"):
        size = resource.properties.get("CacheClusterSize", "0.5")
        yield Charge(
            resource.part, resource.name, "compute", HOURS_PER_MONTH,
            f"AmazonApiGateway/ApiGatewayCacheUsage:{size}GB", f"a cache of {size} GB x {HOURS_PER_MONTH} h",
        )  # fmt: skip


def _rule(resource: Resource, assembly: Assembly, _usage: Usage) -> Iterator[Charge]:
    schedule = resource.properties.get("ScheduleExpression")
    functions = [
        {"Fn::GetAtt": [function.name, "Arn"]}
        for function in assembly.of("AWS::Lambda::Function")
        if function.part == resource.part
    ]
    targets = [target["Arn"] for target in resource.properties.get("Targets", [])]
    # A few calls a month of a function, which is charged by the request, are none of a cent.
    if schedule and not (targets and all(target in functions for target in targets)):
        runs = _runs_per_month(schedule)
        yield Charge(
            resource.part, resource.name, "compute", runs, f"cxr/scheduled:{resource.name}",
            f"{runs:g} runs a month of what it starts ({schedule})",
        )  # fmt: skip


def _schedule(resource: Resource, assembly: Assembly, _usage: Usage) -> Iterator[Charge]:
    yield from run_cost.scheduled(resource, assembly, _runs_per_month(resource.properties["ScheduleExpression"]))


def _runs_per_month(schedule: str) -> float:
    """Runs a month of rate(...) or cron(...); a cron expression is taken for one run a day."""
    match = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", schedule)
    if not match:
        return HOURS_PER_MONTH / 24
    hours = int(match[1]) * {"minute": 1 / 60, "hour": 1, "day": 24}[match[2]]
    return HOURS_PER_MONTH / hours


def _table(resource: Resource, _assembly: Assembly, usage: Usage) -> Iterator[Charge]:
    yield Charge(
        resource.part, resource.name, "storage", usage.table_gb, "AmazonDynamoDB/TimedStorage-ByteHrs",
        f"{usage.table_gb:g} GB assumed",
    )  # fmt: skip
    if resource.properties.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
        yield Charge(
            resource.part, resource.name, "storage", usage.table_gb, "AmazonDynamoDB/TimedPITRStorage-ByteHrs",
            f"{usage.table_gb:g} GB assumed, recoverable to any point in time",
        )  # fmt: skip
    if resource.properties.get("BillingMode") != "PAY_PER_REQUEST":
        capacity = resource.properties.get("ProvisionedThroughput", {})
        for name, unit in (
            ("ReadCapacityUnits", "ReadCapacityUnit-Hrs"),
            ("WriteCapacityUnits", "WriteCapacityUnit-Hrs"),
        ):
            units = int(capacity.get(name, 5))
            yield Charge(
                resource.part, resource.name, "compute", units * HOURS_PER_MONTH, f"AmazonDynamoDB/{unit}",
                f"{units} {name} x {HOURS_PER_MONTH} h",
            )  # fmt: skip


def _web_acl(resource: Resource, _assembly: Assembly, _usage: Usage) -> Iterator[Charge]:
    rules = len(resource.properties.get("Rules", []))
    yield Charge(resource.part, resource.name, "protection", 1, "awswaf/WebACLV2", "1 web ACL")
    yield Charge(resource.part, resource.name, "protection", rules, "awswaf/RuleV2", f"{rules} rules")


def _vpc_endpoint(resource: Resource, _assembly: Assembly, _usage: Usage) -> Iterator[Charge]:
    if resource.properties.get("VpcEndpointType") != "Interface":
        return  # a gateway endpoint is free
    subnets = resource.properties.get("SubnetIds", [])
    zones = len(subnets) if isinstance(subnets, list) else 1
    yield Charge(
        resource.part, resource.name, "network", zones * HOURS_PER_MONTH, "AmazonVPC/VpcEndpoint-Hours",
        f"{zones} zones x {HOURS_PER_MONTH} h",
    )  # fmt: skip


def _secret(resource: Resource, _assembly: Assembly, _usage: Usage) -> Iterator[Charge]:
    yield Charge(resource.part, resource.name, "keys", 1, "AWSSecretsManager/AWSSecretsManager-Secrets", "1 secret")


RULES: dict[str, Rule] = {
    "AWS::ApiGateway::Stage": _stage,
    "AWS::ApplicationAutoScaling::ScalingPolicy": _scaling_policy,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _composite_alarm,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::DynamoDB::Table": _table,
    "AWS::EC2::VPCEndpoint": _vpc_endpoint,
    "AWS::Events::Rule": _rule,
    "AWS::KMS::Key": _key,
    "AWS::Lambda::Function": _function,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::Logs::MetricFilter": _metric_filter,
    "AWS::S3::Bucket": _bucket,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::SageMaker::EndpointConfig": _endpoint_config,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::WAFv2::WebACL": _web_acl,
}
