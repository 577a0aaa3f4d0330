"""Asynchronous endpoint, for large or many images: requests and answers are objects in S3."""

from collections.abc import Mapping

from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.base.metrics import VARIANT
from infra.endpoint import serving_container
from infra.endpoint.autoscaling import EndpointScaling
from infra.endpoint.batch_model import PREFIX, BatchModel
from infra.endpoint.instance_pools import instances
from infra.endpoint.released_package import ReleasedPackage
from infra.settings.endpoint import Asynchronous


class AsyncEndpoint(Construct):
    """An asynchronous endpoint, which has no instance while no request waits.

    Args:
        name: name of the endpoint, fixed, so that a client needs no other stack to know it.
        model: SageMaker model of the released package, for many images.
        topics: ARNs of those for `Answers` and for `Failures`.
        bucket_name: name of the bucket for answers, below `batches/answers/` and `batches/failures/`.
        key: encrypts them, and the notifications.
        volume_key: encrypts the instances' volumes; None for SageMaker's own.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        package: ReleasedPackage,
        model: BatchModel,
        topics: Mapping[str, str],
        bucket_name: str,
        key: kms.IKey,
        volume_key: kms.IKey | None,
        options: Asynchronous,
    ) -> None:
        super().__init__(scope, construct_id)
        self.name = name
        configuration = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            production_variants=[
                sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                    model_name=model.name,
                    variant_name=VARIANT,
                    initial_variant_weight=1,
                    **instances(options.instance_type, options.fallback_instance_types),
                    inference_ami_version=serving_container.ami(options.instance_type),
                    initial_instance_count=1,  # SageMaker starts an endpoint with no fewer; scaling takes it away
                )
            ],
            kms_key_id=volume_key.key_arn if volume_key else None,
            # True where nothing is said (MetricsConfig in botocore 1.43's service model, read 2026-11).
            metrics_config=sagemaker.CfnEndpointConfig.MetricsConfigProperty(enable_detailed_observability=False),
            async_inference_config=_queued(f"s3://{bucket_name}/{PREFIX}", topics, key, options),
        )
        endpoint = sagemaker.CfnEndpoint(
            self,
            "Resource",
            endpoint_name=name,
            endpoint_config_name=configuration.attr_endpoint_config_name,
            # No RetainAllVariantProperties: an update that keeps an instance count of zero might be refused, which is
            # documented nowhere (UpdateEndpoint, read 2026-11) and would be every release of a quiet day. A release
            # starts with one instance, and scaling takes it away.
        )
        package.wait_for(configuration, endpoint)
        EndpointScaling(
            self,
            "Scaling",
            package=package,
            endpoint=endpoint,
            endpoint_name=name,
            at_least=0,
            at_most=options.max_instances,
        ).keep_backlog(options)


def _queued(
    folder: str, topics: Mapping[str, str], key: kms.IKey, options: Asynchronous
) -> sagemaker.CfnEndpointConfig.AsyncInferenceConfigProperty:
    """Output configuration: answers and failures below the folder, and the topics that are notified."""
    return sagemaker.CfnEndpointConfig.AsyncInferenceConfigProperty(
        client_config=sagemaker.CfnEndpointConfig.AsyncInferenceClientConfigProperty(
            max_concurrent_invocations_per_instance=options.concurrent_requests
        ),
        output_config=sagemaker.CfnEndpointConfig.AsyncInferenceOutputConfigProperty(
            s3_output_path=f"{folder}/answers",
            s3_failure_path=f"{folder}/failures",
            kms_key_id=key.key_arn,
            # Without the answers themselves: a probability is in S3 and nowhere else.
            notification_config=sagemaker.CfnEndpointConfig.AsyncInferenceNotificationConfigProperty(
                success_topic=topics["Answers"], error_topic=topics["Failures"]
            ),
        ),
    )
