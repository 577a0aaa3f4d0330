"""Everything the Release function talks to, as far as it matters: registry, stack, endpoint, topic and bucket."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from botocore.exceptions import ClientError

from lambdas.aws import topic
from lambdas.aws.envelope import SigningKey
from lambdas.aws.provenance import Provenance
from lambdas.aws.statement import PackageInspector
from lambdas.release.endpoint import Evidence, NotServingError
from lambdas.release.notification import Notifier
from lambdas.release.package import StateChange
from lambdas.release.release import Release
from lambdas.release.signature_gate import SignatureGate
from lambdas.release.site_gate import SiteGate
from lambdas.release.stack import EndpointStack, Token
from lambdas.release.verdict import Verdicts
from tests.lambdas.signing import BUCKET, KEY, Artifacts, Kms, packed

GROUP = "cxr-dev"
STACK = "cxr-dev-endpoint"
STACK_ARN = f"arn:aws:cloudformation:us-east-1:123456789012:stack/{STACK}/0a1b"
RELEASED_TYPES = ("AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Endpoint")
START = datetime(2026, 1, 1, tzinfo=UTC)


def arn(version, group=GROUP):
    return f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{group}/{version}"


def refusal(operation, message, code="ValidationError"):
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@dataclass
class Registry:
    """DescribeModelPackage over packages whose status a test sets; every change has its own minute."""

    packages: dict = field(default_factory=dict)
    changes: int = 0

    def set(self, version, approval, group=GROUP, status="Completed", created=None):
        self.changes += 1
        self.packages[arn(version, group)] = {
            "ModelPackageArn": arn(version, group),
            "ModelPackageGroupName": group,
            "ModelPackageVersion": version,
            "ModelApprovalStatus": approval,
            "ModelPackageStatus": status,
            "InferenceSpecification": {
                "Containers": [{"Image": "serving", "ModelDataUrl": f"s3://{BUCKET}/executions/{version}/model.tar.gz"}]
            },
            "CreationTime": created or START + timedelta(minutes=self.changes),
            "LastModifiedTime": START + timedelta(minutes=self.changes),
        }

    def describe_model_package(self, *, ModelPackageName):  # noqa: N803
        if ModelPackageName not in self.packages:
            raise refusal("DescribeModelPackage", f"Model package {ModelPackageName} does not exist.")
        return self.packages[ModelPackageName]


@dataclass
class CloudFormation:
    """One stack; an accepted update shows at once and stays in progress until `finish`."""

    status: str = "CREATE_COMPLETE"
    package: str = ""
    updates: list = field(default_factory=list)
    refuses: str = ""
    failures: list = field(default_factory=list)
    tokens: set = field(default_factory=set)

    def describe_stacks(self, *, StackName):  # noqa: N803
        if StackName != STACK or not self.status:
            raise refusal("DescribeStacks", f"Stack with id {StackName} does not exist")
        parameters = [("BootstrapVersion", "/cdk/v"), ("ModelPackageArn", self.package), ("VariantWeight", "1")]
        return {
            "Stacks": [
                {
                    "StackStatus": self.status,
                    "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters],
                }
            ]
        }

    def update_stack(self, **request):
        if self.status.endswith("_IN_PROGRESS"):
            raise refusal("UpdateStack", f"Stack:{STACK} is in {self.status} state and can not be updated.")
        if self.refuses:
            raise refusal("UpdateStack", self.refuses)
        value = request["Parameters"][0]["ParameterValue"]
        if value == self.package:
            raise refusal("UpdateStack", "No updates are to be performed.")
        if request["ClientRequestToken"] in self.tokens:
            raise refusal("UpdateStack", "used before", "TokenAlreadyExistsException")
        self.tokens.add(request["ClientRequestToken"])
        self.updates.append(request)
        self.package, self.status = value, "UPDATE_IN_PROGRESS"

    def finish(self):
        self.status = "UPDATE_COMPLETE"

    def roll_back(self, replaced, reason):
        self.failures.append(reason)
        self.package, self.status = replaced, "UPDATE_ROLLBACK_COMPLETE"

    def get_paginator(self, operation):
        assert operation == "describe_stack_events"
        token = self.updates[-1]["ClientRequestToken"]
        failed = {"LogicalResourceId": "Endpoint", "ResourceStatus": "UPDATE_FAILED", "ClientRequestToken": token}
        events = [{**failed, "ResourceStatusReason": reason} for reason in reversed(self.failures)]
        older = {**failed, "ResourceStatusReason": "of an earlier update", "ClientRequestToken": "release-9-8-0"}
        return SimpleNamespace(paginate=lambda **_: [{"StackEvents": [*events, older]}])


@dataclass
class Topic:
    messages: list = field(default_factory=list)

    def publish(self, **message):
        assert len(message["Subject"]) <= 100
        self.messages.append(message)

    @property
    def events(self):
        return [message["MessageAttributes"]["event"]["StringValue"] for message in self.messages]


@dataclass
class Endpoint:
    """Endpoint that a question finds nothing wrong with, unless a test says what."""

    serves: str | None = None
    wrong: dict = field(default_factory=dict)
    answered: bool = True
    expected: list = field(default_factory=list)
    """Package and signed digest of its files, of each question."""

    def verify(self, package_arn, served_digest):
        self.expected.append((package_arn, served_digest))
        if package_arn in self.wrong:
            raise NotServingError(self.wrong[package_arn])
        self.serves = package_arn
        return Evidence(answered=self.answered)

    def package(self):
        return self.serves


@dataclass
class Bucket:
    """The verdicts, by key."""

    kept: dict = field(default_factory=dict)

    def put_object(self, *, Bucket, Key, Body, ContentType):  # noqa: N803
        assert (Bucket, ContentType) == ("artifacts", "application/json")
        self.kept[Key] = json.loads(Body)

    def of(self, version):
        """Verdicts on a version: outcomes, each with its sentence, one an approval."""
        found = {key: said for key, said in self.kept.items() if key.startswith(f"releases/{version}/")}
        assert all(said["package_arn"] == arn(version) for said in found.values())
        return [(said["outcome"], said["sentence"]) for said in found.values()]


@dataclass
class World:
    registry: Registry = field(default_factory=Registry)
    cloudformation: CloudFormation = field(default_factory=CloudFormation)
    topic: Topic = field(default_factory=Topic)
    endpoint: Endpoint = field(default_factory=Endpoint)
    bucket: Bucket = field(default_factory=Bucket)
    kms: Kms = field(default_factory=Kms)
    artifacts: Artifacts = field(default_factory=Artifacts)
    site_gate: SiteGate | None = None
    seconds: float = 0.0
    during_sleep: list = field(default_factory=list)

    def sleep(self, seconds):
        self.seconds += seconds
        if self.during_sleep:
            self.during_sleep.pop(0)()

    def deliver(self, version, approval="Approved", group=GROUP, timeout=900.0):
        release = self.release()
        began = self.seconds
        change = StateChange(arn(version, group), group, approval)
        return release.follow(change, lambda: timeout - (self.seconds - began))

    def release(self):
        return Release(
            sagemaker=self.registry,
            stack=EndpointStack(self.cloudformation, STACK, RELEASED_TYPES),
            endpoint=self.endpoint,
            notifier=Notifier(topic.Topic(self.topic, "arn:aws:sns:us-east-1:123456789012:topic")),
            verdicts=Verdicts(self.bucket, "artifacts"),
            group=GROUP,
            signature_gate=SignatureGate(self.provenance),
            site_gate=self.site_gate,
            sleep=self.sleep,
        )

    @property
    def provenance(self):
        return Provenance(
            self.artifacts, BUCKET, SigningKey(self.kms, KEY), PackageInspector(self.registry, self.artifacts)
        )

    def sign(self, version, files=None):
        """Sign, as the Sign function does, a model whose bytes say its version, or an archive of files."""
        package = self.registry.packages[arn(version)]
        model = packed(files) if files else b"model %d" % version
        self.artifacts.objects[f"executions/{version}/model.tar.gz"] = model
        assert self.provenance.sign(package)

    def conclude(self, status=None):
        """Deliver the end of the last update, as it ended."""
        token = Token.read(self.cloudformation.updates[-1]["ClientRequestToken"])
        return self.release().conclude(token, status or self.cloudformation.status, STACK_ARN)

    def serve(self, version):
        """A version that is approved, released and verified."""
        self.registry.set(version, "Approved")
        assert self.deliver(version) == "requested"
        self.cloudformation.finish()
        assert self.conclude() == "released"
