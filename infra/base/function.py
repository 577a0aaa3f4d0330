"""A Lambda function of this project: one handler, its own role, its own log group."""

from collections.abc import Mapping

from aws_cdk import Annotations, ArnFormat, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.base.assets import stage_function, stage_function_with_libraries
from infra.base.log_group import LogGroup
from infra.base.nag_findings import accept
from infra.base.regions import layer_account
from infra.settings.environment import Settings

# What versions of the layer hold. 27 is the last one that had Python 3.9, which Powertools dropped in 3.24.0 of
# 2026-01-05 (aws-powertools/powertools-lambda-python#8434), and documents name it from 3.23.0 of 2025-11-13 on (#7757).
# `pip install "aws-lambda-powertools[all]"` builds it (layer_v3/docker/Dockerfile), and resolves to this pydantic with
# the package index of that day. All read 2026-11-28; nobody could open the layer itself. GovCloud has no newer one.
LAYER_PACKAGES = {27: {"aws-lambda-powertools": "3.23.0", "pydantic": "2.12.4"}}


class Function(lambda_.Function):
    """The handler `lambdas.<name>.<module>.handle` in AWS.

    Args:
        name: folder below `lambdas/`.
        module: module of that folder, which with all that it imports of this repository is the function's code.
        environment: variables besides those of Powertools.
        memory_mb: memory, and with it the share of a CPU.
        timeout_seconds: the longest a call may take.
        libraries: dependency group that the function carries along (`make libraries`); none without it.
        powertools: whether the handler imports Powertools or pydantic; without them a cold start is shorter.
        snap_start: whether a version is published whose environments begin from a snapshot; what calls the function
            asks for `called` then.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        module: str = "handler",
        environment: Mapping[str, str],
        memory_mb: int,
        timeout_seconds: int,
        libraries: str | None = None,
        powertools: bool = True,
        snap_start: bool = False,
        settings: Settings,
    ) -> None:
        log_group = LogGroup(scope, f"{construct_id}Logs", retention_days=settings.log_retention_days)
        # No AWSLambdaBasicExecutionRole: it may write to every log group of the account.
        role = iam.Role(scope, f"{construct_id}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        super().__init__(
            scope,
            construct_id,
            runtime=lambda_.Runtime.PYTHON_3_12,
            architecture=lambda_.Architecture.ARM_64,
            code=_code(name, module, libraries if settings.vendor_libraries else None),
            handler=f"lambdas.{name}.{module}.handle",
            role=role,
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            layers=[_layer(scope, construct_id, settings)] if powertools else [],
            # Tracing adds xray:PutTraceSegments on "*": X-Ray knows no resources to name.
            tracing=lambda_.Tracing.ACTIVE if settings.tracing else lambda_.Tracing.DISABLED,
            snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS if snap_start else None,
            memory_size=memory_mb,
            timeout=Duration.seconds(timeout_seconds),
            environment={
                "POWERTOOLS_SERVICE_NAME": name if module == "handler" else module,
                "POWERTOOLS_TRACE_DISABLED": str(not settings.tracing).lower(),
                "LOG_LEVEL": "INFO",
                **environment,
            },
        )
        # There is no snapshot of $LATEST ("Improving startup performance with Lambda SnapStart", read 2026-11). The CDK
        # publishes a new version where code or configuration change.
        self.called: lambda_.IFunction = self.add_alias("live") if snap_start else self
        Annotations.of(self).acknowledge_warning(
            "@aws-cdk/aws-lambda:snapStartRequirePublish", "the alias above publishes a version"
        )
        accept(
            self,
            "AwsSolutions-L1",
            reason="the layer and the libraries are built for Python 3.12, which Lambda maintains until October 2028",
        )


def _code(name: str, module: str, libraries: str | None) -> lambda_.Code:
    if libraries is None:
        return lambda_.Code.from_asset(str(stage_function(name, module=module)))
    path, digest = stage_function_with_libraries(name, libraries, module=module)
    return lambda_.Code.from_asset(str(path), asset_hash=digest)


def _layer(scope: Construct, construct_id: str, settings: Settings) -> lambda_.ILayerVersion:
    # https://docs.aws.amazon.com/powertools/python/latest/getting-started/install/#lambda-layer
    arn = Stack.of(scope).format_arn(
        service="lambda",
        account=layer_account(settings.region, settings.powertools_layer.account),
        resource="layer",
        resource_name=f"AWSLambdaPowertoolsPythonV3-python312-arm64:{settings.powertools_layer.version}",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return lambda_.LayerVersion.from_layer_version_arn(scope, f"{construct_id}Powertools", arn)
