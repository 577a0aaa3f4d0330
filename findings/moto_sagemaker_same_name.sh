#!/usr/bin/env bash
# moto 5.2.5 lets CreateModel, CreateEndpointConfig and CreateModelPackageGroup replace what has that name already,
# without an error; SageMaker refuses ("Cannot create already existing ..."). A test that creates twice passes on moto and
# its code fails in AWS; a test that expects the refusal cannot be written.
#
# SageMaker's API reference asks for names that are unique in an account and region, and answers ValidationException
# (docs.aws.amazon.com/sagemaker/latest/APIReference, CreateModel and the others). Pipelines are refused by moto too.
#
# Seen 2026-11-28 with moto 5.2.5 and boto3 1.43.9 on Python 3.11, when each was created a second time:
#   CreateModel: accepted, the image is now second
#   CreateEndpointConfig: accepted, the instances are now 2
#   CreateModelPackageGroup: accepted, the description is now second
#   CreatePipeline: ValidationException
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "moto[sagemaker]==5.2.5" boto3==1.43.9
export AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing AWS_DEFAULT_REGION=eu-central-1
"$folder/venv/bin/python" - > "$folder/seen" <<'PYTHON'
import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

ROLE = "arn:aws:iam::123456789012:role/any"


def create(sagemaker, number, word):
    variant = {"VariantName": "all", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": number}
    yield (
        "CreateModel",
        lambda: sagemaker.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": word}),
        lambda: f"the image is now {sagemaker.describe_model(ModelName='m')['PrimaryContainer']['Image']}",
    )
    yield (
        "CreateEndpointConfig",
        lambda: sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant]),
        lambda: "the instances are now {InitialInstanceCount}".format(
            **sagemaker.describe_endpoint_config(EndpointConfigName="c")["ProductionVariants"][0]
        ),
    )
    yield (
        "CreateModelPackageGroup",
        lambda: sagemaker.create_model_package_group(
            ModelPackageGroupName="g", ModelPackageGroupDescription=word
        ),
        lambda: "the description is now {ModelPackageGroupDescription}".format(
            **sagemaker.describe_model_package_group(ModelPackageGroupName="g")
        ),
    )
    yield (
        "CreatePipeline",
        lambda: sagemaker.create_pipeline(
            PipelineName="p", PipelineDefinition="{}", ClientRequestToken=word * 10, RoleArn=ROLE
        ),
        lambda: "",
    )


with mock_aws():
    client = boto3.client("sagemaker")
    for _, make, _ in create(client, 1, "first"):
        make()
    for title, make, now in create(client, 2, "second"):
        try:
            make()
            print(f"{title}: accepted, {now()}")
        except ClientError as error:
            print(f"{title}: {error.response['Error']['Code']}")
PYTHON
cat "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   //p' "$0")
