"""SageMaker endpoint of the released model: production variants, endpoint configuration, blue/green deployment."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from aws_cdk import Aws, CfnCondition, CfnParameter, Fn, Stack, Token
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.base.metrics import VARIANT
from infra.base.sagemaker_role import SageMakerRole
from infra.endpoint import serving_container
from infra.endpoint.autoscaling import EndpointScaling
from infra.endpoint.instance_pools import instances
from infra.endpoint.released_package import ARN_PATTERN, ReleasedPackage
from infra.endpoint.rollback_alarms import RollbackAlarms
from infra.settings.endpoint import Capture, RealtimeEndpoint, Rollout, ServerlessEndpoint

SHADOW = "Shadow"


class Endpoint(Construct):
    """Model, endpoint configuration, rollback alarms and endpoint, which exist while a model package is released.

    Args:
        name: name of the endpoint, fixed, so that clients need no other stack to know it.
        options: serverless or on instances.
        capture_to: S3 URI of what is kept of requests, where options say that something is.
        key: encrypts that.
        volume_key: encrypts the instances' volumes; None for SageMaker's own. Local disks are encrypted by their
            hardware whatever is named (`KmsKeyId` of CreateEndpointConfig in botocore 1.43's service model).
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        package: ReleasedPackage,
        role: SageMakerRole,
        options: ServerlessEndpoint | RealtimeEndpoint,
        capture_to: str,
        key: kms.IKey,
        volume_key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.name = name
        self._package = package
        self._role = role
        # Serverless Inference excludes network isolation (developer guide, "Serverless Inference", feature exclusions).
        self._isolated = isinstance(options, RealtimeEndpoint)
        realtime = options if isinstance(options, RealtimeEndpoint) else None
        self._variables = serving_container.for_single_requests(realtime.instance_type if realtime else None)
        model = self._model("Model", package.arn)
        configuration = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            production_variants=[_variant(model.attr_model_name, options)],
            shadow_production_variants=self._shadow(realtime) if realtime and realtime.shadow_percent else None,
            kms_key_id=volume_key.key_arn if realtime and volume_key else None,
            metrics_config=_metrics(realtime) if realtime else None,
            data_capture_config=_captured(realtime.capture, capture_to, key) if realtime and realtime.capture else None,
        )
        if realtime:
            configuration.override_logical_id(f"{self.node.id}Config{_update_digest(realtime)}")
        alarms = self._alarms(realtime, configuration) if realtime else None
        endpoint = sagemaker.CfnEndpoint(
            self,
            "Resource",
            endpoint_name=name,
            endpoint_config_name=configuration.attr_endpoint_config_name,
            # A serverless endpoint switches at once: docs/adr/0017 says what guards its releases instead.
            deployment_config=_blue_green(realtime.rollout, alarms.names) if realtime and alarms else None,
            # A release starts with as many instances as the traffic has now, not with the fewest.
            retain_all_variant_properties=True if realtime else None,
            exclude_retained_variant_properties=_not_retained(realtime) if realtime else None,
        )
        package.wait_for(model, configuration, endpoint)
        for alarm in alarms.resources if alarms else ():
            endpoint.node.add_dependency(alarm)  # which it names, and does not refer to
        # Without room to scale there is no scaling: the way to another instance type, which SageMaker refuses a scaled
        # endpoint (developer guide, "endpoint-scaling-update", read 2026-11; `ops/platform/lifecycle.py`).
        if realtime and realtime.scales:
            self._scale(endpoint, realtime)

    def _scale(self, endpoint: sagemaker.CfnEndpoint, options: RealtimeEndpoint) -> None:
        """Let the number of instances follow the requests."""
        EndpointScaling(
            self,
            "Scaling",
            package=self._package,
            endpoint=endpoint,
            endpoint_name=self.name,
            at_least=options.instance_count,
            at_most=options.scaling.max_instances,
        ).keep_invocations(options)

    def _alarms(self, options: RealtimeEndpoint, configuration: sagemaker.CfnEndpointConfig) -> RollbackAlarms:
        """Auto-rollback alarms on the instances of a configuration."""
        alarms = RollbackAlarms(
            self,
            "Rollback",
            endpoint_name=self.name,
            configuration=configuration.attr_endpoint_config_name,
            limits=options.rollout,
        )
        self._package.wait_for(*alarms.resources)
        return alarms

    def _model(self, construct_id: str, package_arn: str) -> sagemaker.CfnModel:
        return sagemaker.CfnModel(
            self,
            construct_id,
            execution_role_arn=self._role.role_arn,
            enable_network_isolation=self._isolated,  # the container serves, and calls nobody
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                model_package_name=package_arn,
                # Every answer names the package it came from: what is really loaded, not what should be.
                environment={"MODEL_PACKAGE_ARN": package_arn, **self._variables},
            ),
        )

    def _shadow(self, options: RealtimeEndpoint) -> Any:
        """A second model that gets copies of requests and answers nobody, while a parameter names its package."""
        stack = Stack.of(self)
        shadow = CfnParameter(
            stack,
            "ShadowModelPackageArn",
            type="String",
            default="",
            description="ARN of a model package that is asked beside the released one; empty for none",
            allowed_pattern=ARN_PATTERN,
        ).value_as_string
        shadowed = CfnCondition(
            stack,
            "HasShadow",
            expression=Fn.condition_and(
                Fn.condition_not(Fn.condition_equals(self._package.arn, "")),
                Fn.condition_not(Fn.condition_equals(shadow, "")),
            ),
        )
        model = self._model("ShadowModel", shadow)
        self._package.wait_for(model, condition=shadowed)
        variant: dict[str, Any] = {
            "ModelName": model.attr_model_name,
            "VariantName": SHADOW,
            # In relation to the production variant's 1: the share of the requests that are copied.
            "InitialVariantWeight": options.shadow_percent / 100,
            # An experiment waits for its instance type: it has no fallback.
            "InstanceType": options.instance_type,
            "InitialInstanceCount": options.instance_count,
        }
        if (ami := serving_container.ami(options.instance_type)) is not None:
            variant["InferenceAmiVersion"] = ami
        return Token.as_any(Fn.condition_if(shadowed.logical_id, [variant], Aws.NO_VALUE))


def _captured(options: Capture, uri: str, key: kms.IKey) -> sagemaker.CfnEndpointConfig.DataCaptureConfigProperty:
    modes = ["Input", "Output"] if options.inputs else ["Output"]
    return sagemaker.CfnEndpointConfig.DataCaptureConfigProperty(
        enable_capture=True,
        initial_sampling_percentage=options.percent,
        destination_s3_uri=uri,
        kms_key_id=key.key_arn,
        capture_options=[sagemaker.CfnEndpointConfig.CaptureOptionProperty(capture_mode=mode) for mode in modes],
        # Kept as text that can be read; without a header named, everything is base64.
        capture_content_type_header=sagemaker.CfnEndpointConfig.CaptureContentTypeHeaderProperty(
            json_content_types=["application/json"]
        ),
    )


def _variant(
    model_name: str, options: ServerlessEndpoint | RealtimeEndpoint
) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
    if isinstance(options, ServerlessEndpoint):
        return sagemaker.CfnEndpointConfig.ProductionVariantProperty(
            model_name=model_name,
            variant_name=VARIANT,
            initial_variant_weight=1,
            serverless_config=sagemaker.CfnEndpointConfig.ServerlessConfigProperty(
                memory_size_in_mb=options.memory_mb,
                max_concurrency=options.max_concurrency,
                provisioned_concurrency=options.provisioned_concurrency or None,
            ),
        )
    return sagemaker.CfnEndpointConfig.ProductionVariantProperty(
        model_name=model_name,
        variant_name=VARIANT,
        initial_variant_weight=1,
        **instances(options.instance_type, options.fallback_instance_types),
        initial_instance_count=options.instance_count,
        inference_ami_version=serving_container.ami(options.instance_type),
    )


def _metrics(options: RealtimeEndpoint) -> sagemaker.CfnEndpointConfig.MetricsConfigProperty:
    """Metrics that the endpoint publishes, and their frequency.

    An endpoint that says nothing has detailed observability. Invocation metrics come more often than once a minute
    with enhanced metrics only, which repeat each metric for each instance (MetricsConfig in botocore 1.43's service
    model, and "enhanced metrics for inference endpoints" of the developer guide, both read 2026-11).
    """
    often = options.rollout.alarm_period_seconds < 60
    return sagemaker.CfnEndpointConfig.MetricsConfigProperty(
        enable_detailed_observability=options.detailed_observability,
        enable_enhanced_metrics=True if often else None,
        metric_publish_frequency_in_seconds=options.rollout.alarm_period_seconds if often else None,
    )


def _not_retained(options: RealtimeEndpoint) -> list[sagemaker.CfnEndpoint.VariantPropertyProperty]:
    """Properties of variants that an update takes from the new configuration.

    Otherwise weight and number of instances stay what the endpoint has, whatever the configuration says
    (`RetainAllVariantProperties` of UpdateEndpoint in botocore 1.43's service model, read 2026-11-29): another share of
    the shadow, or another number of instances without scaling, would be deployed and change nothing. The model speaks
    of the weights of production variants, and does not say that those of shadows are among them.
    """
    kinds = ["DesiredWeight", *([] if options.scales else ["DesiredInstanceCount"])]
    return [sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type=kind) for kind in kinds]


def _update_digest(options: RealtimeEndpoint) -> str:
    """Digest of what an update of the endpoint is told besides its configuration, for the configuration's logical id.

    Without it a change of the rollout alone would be an update to the configuration that the endpoint has already. "To
    update an endpoint, you must create a new EndpointConfig" (API_UpdateEndpoint, read 2026-11-30), and the instances
    of two fleets could not be told apart (docs/adr/0079).
    """
    shift = options.rollout.model_dump(include={"traffic", "percent", "wait_seconds", "termination_wait_seconds"})
    told = json.dumps([shift, options.scales])  # of which the latter decides what is retained of variants
    return hashlib.sha256(told.encode()).hexdigest()[:8].upper()


def _blue_green(rollout: Rollout, alarms: Sequence[str]) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
    share = sagemaker.CfnEndpoint.CapacitySizeProperty(type="CAPACITY_PERCENT", value=rollout.percent)
    return sagemaker.CfnEndpoint.DeploymentConfigProperty(
        blue_green_update_policy=sagemaker.CfnEndpoint.BlueGreenUpdatePolicyProperty(
            traffic_routing_configuration=sagemaker.CfnEndpoint.TrafficRoutingConfigProperty(
                type=rollout.traffic.upper(),
                canary_size=share if rollout.traffic == "canary" else None,
                linear_step_size=share if rollout.traffic == "linear" else None,
                wait_interval_in_seconds=rollout.wait_seconds,
            ),
            termination_wait_in_seconds=rollout.termination_wait_seconds,
            maximum_execution_timeout_in_seconds=rollout.longest_seconds,
        ),
        auto_rollback_configuration=sagemaker.CfnEndpoint.AutoRollbackConfigProperty(
            alarms=[sagemaker.CfnEndpoint.AlarmProperty(alarm_name=name) for name in alarms]
        ),
    )
