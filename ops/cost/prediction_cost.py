"""Maximum cost of 1,000 predictions over the API: each takes as long and is as large as it may."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ops.base.assembly import Assembly, Resource
from ops.cost.charges import Charge, Usage
from ops.cost.run_cost import invocations

PREDICTIONS = 1000
# A container may take this long for one request (docs.aws.amazon.com/sagemaker/latest/APIReference/
# API_runtime_InvokeEndpoint.html), whether or not the caller still waits.
LONGEST_INFERENCE_SECONDS = 60.0
_PATH = "predictions"
# To each table at most an item of 1 KB, and its update.
WRITES = 2


def predictions(assembly: Assembly, usage: Usage) -> list[Charge]:
    """The charges of 1,000 POST requests to the predictions' resource; none where the templates have no API."""
    charges: list[Charge] = []
    functions = _functions(assembly)
    if not functions:
        return charges
    part, count = functions[0].part, f"{PREDICTIONS:,} requests"
    charges.append(Charge(part, "RestApi", "requests", PREDICTIONS, "AmazonApiGateway/ApiGatewayRequest", count))
    for function in functions:
        longest = float(function.properties.get("Timeout", 3))
        seconds = longest if usage.seconds is None else min(usage.seconds, longest)
        charges.extend(invocations(function.name, function.properties, PREDICTIONS, seconds, function.part))
    charges.extend(_snapshots(assembly))
    charges.extend(_endpoint(assembly, usage, functions[0]))
    charges.extend(_around(assembly, usage, functions[0]))
    return charges


def _snapshots(assembly: Assembly) -> Iterator[Charge]:
    """Snapshots that functions may begin from: at most one for each request."""
    for function in assembly.of("AWS::Lambda::Function"):
        if function.properties.get("SnapStart", {}).get("ApplyOn") == "PublishedVersions":
            gb = int(function.properties.get("MemorySize", 128)) / 1024
            yield Charge(
                function.part, function.name, "compute", PREDICTIONS * gb, "AWSLambda/Lambda-SnapStart-Restored-GB",
                f"{PREDICTIONS:,} x {gb:.3g} GB, if each begins from the snapshot",
            )  # fmt: skip


def _functions(assembly: Assembly) -> list[Resource]:
    """Functions that a POST to .../predictions calls: the one that answers, and an authorizer."""
    paths = {
        resource.name for resource in assembly.of("AWS::ApiGateway::Resource")
        if resource.properties.get("PathPart") == _PATH
    }  # fmt: skip
    found: list[Resource] = []
    for method in assembly.of("AWS::ApiGateway::Method"):
        if method.properties.get("HttpMethod") == "POST" and method.properties["ResourceId"].get("Ref") in paths:
            found.extend(_called(assembly, method.properties.get("Integration", {}).get("Uri")))
            authorizer = assembly.named((method.properties.get("AuthorizerId") or {}).get("Ref", ""))
            if authorizer is not None:
                found.extend(_called(assembly, authorizer.properties.get("AuthorizerUri")))
    return found


def _called(assembly: Assembly, uri: Any) -> Iterator[Resource]:
    text = json.dumps(uri)
    for function in assembly.of("AWS::Lambda::Function"):
        if re.search(rf'"{function.name}"|\$\{{{function.name}\.Arn\}}', text):
            yield function


def _endpoint(assembly: Assembly, usage: Usage, function: Resource) -> Iterator[Charge]:
    seconds = LONGEST_INFERENCE_SECONDS if usage.seconds is None else usage.seconds
    largest = function.properties.get("Environment", {}).get("Variables", {}).get("MAX_IMAGE_BYTES")
    mb = usage.image_mb if usage.image_mb is not None else (int(largest) / 1e6 if largest else 4.5)
    for config in assembly.of("AWS::SageMaker::EndpointConfig"):
        if "AsyncInferenceConfig" in config.properties:
            continue  # the API asks the synchronous endpoint only
        for variant in config.properties.get("ProductionVariants", []):
            serverless = variant.get("ServerlessConfig")
            if serverless:
                memory = int(serverless["MemorySizeInMB"]) // 1024
                yield Charge(
                    config.part, config.name, "compute", PREDICTIONS * seconds,
                    f"AmazonSageMaker/ServerlessInf:Mem-{memory}GB",
                    f"{PREDICTIONS:,} x {seconds:g} s of {memory} GB",
                )  # fmt: skip
            usage_type = "ServerlessInf:Data-Bytes-In" if serverless else "Host:Data-Bytes-In"
            yield Charge(
                config.part, config.name, "network", PREDICTIONS * mb / 1000, f"AmazonSageMaker/{usage_type}",
                f"{PREDICTIONS:,} x {mb:.3g} MB into the endpoint",
            )  # fmt: skip


def _around(assembly: Assembly, usage: Usage, function: Resource) -> Iterator[Charge]:
    """Charges beside the functions': firewall, traces, stored results, logs."""
    if assembly.of("AWS::WAFv2::WebACLAssociation"):
        yield Charge(
            function.part, "WebAcl", "protection", PREDICTIONS, "awswaf/RequestV2-Tier1", f"{PREDICTIONS:,} requests"
        )
    if function.properties.get("TracingConfig", {}).get("Mode") == "Active":
        yield Charge(
            function.part, function.name, "logs", PREDICTIONS, "AWSXRay/XRay-TracesStored",
            f"{PREDICTIONS:,} traces, if each is sampled",
        )  # fmt: skip
    for table in assembly.of("AWS::DynamoDB::Table"):
        yield Charge(
            table.part, table.name, "storage", PREDICTIONS * WRITES, "AmazonDynamoDB/WriteRequestUnits",
            f"{PREDICTIONS:,} x {WRITES} writes",
        )  # fmt: skip
    gb = PREDICTIONS * usage.log_kb / 1e6
    yield Charge(
        function.part, function.name, "logs", gb, "AmazonCloudWatch/DataProcessing-Bytes",
        f"{PREDICTIONS:,} x {usage.log_kb:g} KB assumed",
    )  # fmt: skip
