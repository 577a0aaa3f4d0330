"""Resources of `cdk bootstrap`, with which the ordinary CDK command line deploys to the embedded cloud.

Source: aws-cdk, packages/aws-cdk/lib/api/bootstrap/bootstrap-template.yaml. Nothing is published as a container image
here, so the image repository is left out.
"""

from __future__ import annotations

import json
from typing import Any

from local.core.api import Cloud

QUALIFIER = "hnb659fds"
# The newest template version that aws-cdk-lib 2.275 can ask for; it asks for at least 6.
_VERSION = "30"
_ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


def bootstrap(cloud: Cloud) -> None:
    """Create the asset bucket, the version parameter and the five roles. Safe to repeat."""
    suffix = f"{cloud.account}-{cloud.region}"
    bucket = f"cdk-{QUALIFIER}-assets-{suffix}"
    cloud.client("s3").create_bucket(Bucket=bucket)
    cloud.client("ssm").put_parameter(
        Name=f"/cdk-bootstrap/{QUALIFIER}/version", Value=_VERSION, Type="String", Overwrite=True
    )
    root = {"AWS": f"arn:aws:iam::{cloud.account}:root"}
    for role, (principal, statements, managed) in _roles(cloud, bucket, root).items():
        _put_role(cloud, f"cdk-{QUALIFIER}-{role}-{suffix}", principal, statements, managed)


def _roles(cloud: Cloud, bucket: str, root: dict[str, str]) -> dict[str, tuple[dict[str, str], list[Any], str | None]]:
    objects = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    execution_role = f"arn:aws:iam::{cloud.account}:role/cdk-{QUALIFIER}-cfn-exec-role-{cloud.account}-{cloud.region}"
    publish = [_allow(["s3:GetObject*", "s3:GetBucket*", "s3:GetEncryptionConfiguration", "s3:List*"], objects)]
    publish.append(_allow(["s3:DeleteObject*", "s3:PutObject*", "s3:Abort*"], objects))
    deploy = [
        _allow(["cloudformation:*"], ["*"]),
        _allow(["iam:PassRole"], [execution_role]),
        _allow(["sts:GetCallerIdentity"], ["*"]),
        _allow(["ssm:GetParameter", "ssm:GetParameters"], [f"arn:aws:ssm:{cloud.region}:{cloud.account}:parameter/*"]),
        _allow(["s3:GetObject*", "s3:GetBucket*", "s3:List*"], objects),
    ]
    service = {"Service": "cloudformation.amazonaws.com"}
    return {
        "file-publishing-role": (root, publish, None),
        "image-publishing-role": (root, [], None),
        "lookup-role": (root, [], "arn:aws:iam::aws:policy/ReadOnlyAccess"),
        "deploy-role": (root, deploy, None),
        "cfn-exec-role": (service, [], _ADMINISTRATOR),
    }


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def _put_role(cloud: Cloud, name: str, principal: dict[str, str], statements: list[Any], managed: str | None) -> None:
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    try:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    except iam.exceptions.EntityAlreadyExistsException:
        return
    if statements:
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName="default", PolicyDocument=policy)
    if managed:
        iam.attach_role_policy(RoleName=name, PolicyArn=managed)
