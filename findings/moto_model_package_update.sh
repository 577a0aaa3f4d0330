#!/usr/bin/env bash
# moto 5.2.5 forgets the approval of a model package when UpdateModelPackage changes something else, and names a Studio user
# who does not exist as whoever made the change. A test of a tool that adds a property to an approved package finds it
# without an approval; a test of a report that says who approved a model passes with an invented person.
#
# SageMaker's API reference calls ModelApprovalStatus, ApprovalDescription and CustomerMetadataProperties of
# UpdateModelPackage optional, and LastModifiedBy "information about the user who created or modified" the package
# (docs.aws.amazon.com/sagemaker/latest/APIReference, API_UpdateModelPackage and API_UserContext).
#
# Seen 2026-11-29 with moto 5.2.5 and boto3 1.43.9 on Python 3.11, of a package that was approved with a comment by the
# caller 123456789012:user/moto, and then given one property more:
#   caller: an IAM user
#   approved: Approved, looks right
#   given a property more: None, None
#   LastModifiedBy: DomainId, UserProfileArn, UserProfileName; no IamIdentity
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "moto[sagemaker]==5.2.5" boto3==1.43.9
export AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing AWS_DEFAULT_REGION=eu-central-1
"$folder/venv/bin/python" - > "$folder/seen" <<'PYTHON'
import boto3
from moto import mock_aws


def decision(package):
    return f"{package.get('ModelApprovalStatus')}, {package.get('ApprovalDescription')}"


with mock_aws():
    caller = boto3.client("sts").get_caller_identity()["Arn"]
    print(f"caller: {'an IAM user' if ':user/' in caller else caller}")
    client = boto3.client("sagemaker")
    client.create_model_package_group(ModelPackageGroupName="g")
    arn = client.create_model_package(
        ModelPackageGroupName="g", ModelApprovalStatus="PendingManualApproval", CustomerMetadataProperties={"a": "1"}
    )["ModelPackageArn"]
    client.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="looks right"
    )
    print(f"approved: {decision(client.describe_model_package(ModelPackageName=arn))}")
    client.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties={"b": "2"})
    package = client.describe_model_package(ModelPackageName=arn)
    print(f"given a property more: {decision(package)}")
    by = package["LastModifiedBy"]
    print(f"LastModifiedBy: {', '.join(sorted(by))}; {'an' if 'IamIdentity' in by else 'no'} IamIdentity")
PYTHON
cat "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   //p' "$0")
