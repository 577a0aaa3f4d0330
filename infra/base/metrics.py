"""CloudWatch metrics that alarms watch and the dashboard shows, by what publishes them."""

from collections.abc import Mapping
from dataclasses import dataclass

# What `model_code/monitor.py` publishes.
MODEL_NAMESPACE = "ChestXray/Model"
VARIANT = "AllTraffic"
"""The one production variant of every endpoint here."""
# SageMaker publishes latencies in microseconds
# (https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html).
MICROSECONDS = 1000


@dataclass(frozen=True)
class Metric:
    """A CloudWatch metric and its statistic: `Sum`, `Average`, ... or a percentile, `p99`."""

    namespace: str
    name: str
    statistic: str
    dimensions: Mapping[str, str]


def of_api(api: str, name: str, statistic: str) -> Metric:
    """A metric of a REST API, all stages and methods together."""
    return Metric("AWS/ApiGateway", name, statistic, {"ApiName": api})


def of_function(function: str, name: str, statistic: str = "Sum") -> Metric:
    """A metric of a Lambda function."""
    return Metric("AWS/Lambda", name, statistic, {"FunctionName": function})


def of_endpoint(endpoint: str, name: str, statistic: str) -> Metric:
    """An invocation metric of an endpoint's variant."""
    return Metric("AWS/SageMaker", name, statistic, {"EndpointName": endpoint, "VariantName": VARIANT})


def of_instances(endpoint: str, name: str) -> Metric:
    """A utilisation metric of the instances of an endpoint's variant, in percent."""
    return Metric("/aws/sagemaker/Endpoints", name, "Average", {"EndpointName": endpoint, "VariantName": VARIANT})


def of_pipeline(pipeline: str, name: str) -> Metric:
    """A metric of the executions of a pipeline."""
    return Metric("AWS/Sagemaker/ModelBuildingPipeline", name, "Sum", {"PipelineName": pipeline})


def of_queue(queue: str) -> Metric:
    """The number of messages that wait in a queue."""
    return Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", {"QueueName": queue})


def of_model(endpoint: str, name: str, statistic: str = "Maximum") -> Metric:
    """A metric that the monitoring pipeline publishes about the model of an endpoint."""
    return Metric(MODEL_NAMESPACE, name, statistic, {"Endpoint": endpoint})
