"""An account of the embedded cloud: roles with policies, and clients that act as them."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import boto3
from botocore.config import Config

ACCOUNT = "123456789012"
SAGEMAKER = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
STACK_TEMPLATE = {
    "Parameters": {"Name": {"Type": "String", "Default": "first"}},
    "Resources": {
        "Group": {"Type": "AWS::SageMaker::ModelPackageGroup", "Properties": {"ModelPackageGroupName": {"Ref": "Name"}}}
    },
}


class Account:
    """Clients of the cloud under test, as root or as a role with given permissions."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._roles = 0

    def client(self, service: str, credentials: dict[str, str] | None = None) -> Any:
        keys = credentials or {"AccessKeyId": "test", "SecretAccessKey": "test"}
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=Config(retries={"max_attempts": 0}),
        )

    def role(self, *statements: dict[str, Any], service: str = "lambda.amazonaws.com") -> str:
        """A new role that may do exactly this; its ARN."""
        self._roles += 1
        name, iam = f"role-{self._roles}", self.client("iam")
        principal = {"Service": service, "AWS": f"arn:aws:iam::{ACCOUNT}:root"}
        trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_role_policy(RoleName=name, PolicyName="given", PolicyDocument=policy)
        return str(arn)

    def function(self, name: str, source: str, *statements: dict[str, Any]) -> str:
        """A new function whose module defines `handle`; its ARN."""
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr(f"{name}.py", source)
        created = self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler=f"{name}.handle",
            Role=self.role(allow("logs:*", "*"), *statements),
            Code={"ZipFile": package.getvalue()},
            Timeout=20,
        )
        return str(created["FunctionArn"])

    def as_role(self, service: str, *statements: dict[str, Any]) -> Any:
        """A client that acts as a new role."""
        arn = self.role(*statements)
        session = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return self.client(service, session)


def allow(action: str, resource: str, **condition: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement
