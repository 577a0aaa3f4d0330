"""Images pass as bytes, a key is needed, limits hold, and every error is a problem document."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from infra.settings.environment import Settings
from lambdas.http.problems import KINDS
from lambdas.predict import dicom_result
from lambdas.predict.dicom import READ_TIMEOUT_SECONDS
from openapi.operations import OPERATIONS
from policy.template import text
from tests.infra.conftest import ENVIRONMENTS, of_type
from tests.infra.test_policies import listed


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global FALLBACKS, MANAGED, Match, MAX_DOCUMENT_BYTES, PROBLEMS, Template
    from aws_cdk.assertions import Match, Template

    from infra.api.firewall import MANAGED, MAX_DOCUMENT_BYTES
    from infra.api.gateway_responses import FALLBACKS, PROBLEMS


Templates = Callable[[str], dict[str, dict[str, Any]]]
Synthesise = Callable[[dict[str, Any]], dict[str, Any]]


def test_images_reach_the_function_as_bytes(templates: Templates) -> None:
    Template.from_json(templates("dev")["api"]).has_resource_properties(
        "AWS::ApiGateway::RestApi", {"BinaryMediaTypes": ["image/jpeg", "image/png", "application/dicom"]}
    )


def methods(template: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The methods of the API by their name and path."""
    resources = {name: item["Properties"] for name, item in of_type(template, "AWS::ApiGateway::Resource").items()}

    def path(resource_id: dict[str, Any]) -> str:
        if "Ref" not in resource_id:
            return ""
        resource = resources[resource_id["Ref"]]
        return f"{path(resource['ParentId'])}/{resource['PathPart']}"

    found = [item["Properties"] for item in of_type(template, "AWS::ApiGateway::Method").values()]
    return {(method["HttpMethod"], path(method["ResourceId"]) or "/"): method for method in found}


def answering(template: dict[str, Any], method: dict[str, Any]) -> str:
    """The handler of the function behind a method."""
    (name,) = re.findall(r'"Fn::GetAtt": \["(\w+)", "Arn"\]', json.dumps(method["Integration"]["Uri"]))
    return str(template["Resources"][name]["Properties"]["Handler"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_paths_are_those_of_the_openapi_document_and_the_rest_is_told_apart(
    environment: str, templates: Templates
) -> None:
    found = {key for key in methods(templates(environment)["api"]) if key[0] != "ANY"}
    assert found == {(one.method.upper(), one.path) for one in OPERATIONS}
    everything_else = [key for key in methods(templates(environment)["api"]) if key[0] == "ANY"]
    assert sorted(everything_else) == [("ANY", "/"), ("ANY", "/{proxy+}")]


def test_each_path_is_answered_by_its_own_function(templates: Templates) -> None:
    template = templates("dev")["api"]
    assert {
        path: answering(template, method).removesuffix(".handle") for (_, path), method in methods(template).items()
    } == {
        "/v1/predictions": "lambdas.predict.handler",
        "/v1/predictions/{prediction_id}": "lambdas.api.predictions",
        "/v1/predictions/{prediction_id}/feedback": "lambdas.api.feedback",
        "/v1/uploads": "lambdas.api.uploads",
        "/v1/model": "lambdas.api.model",
        "/v1/health": "lambdas.predict.handler",
        **dict.fromkeys(("/openapi.json", "/docs", "/", "/{proxy+}"), "lambdas.site.handler"),
    }


def guarded(template: dict[str, Any], **wanted: Any) -> set[tuple[str, str]]:
    """Methods with these properties."""
    return {key for key, method in methods(template).items() if {name: method.get(name) for name in wanted} == wanted}


LEAVE = {(one.method.upper(), one.path) for one in OPERATIONS if one.security != "none"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_by_default_what_takes_leave_needs_a_key(environment: str, templates: Templates) -> None:
    assert guarded(templates(environment)["api"], ApiKeyRequired=True) == LEAVE


def authenticated(context: dict[str, Any], synthesise: Synthesise, **authentication: str) -> dict[str, Any]:
    context["environments"]["dev"]["api"] = {"authentication": authentication}
    return synthesise(context)["api"]


def test_iam_principals_sign_what_takes_leave(context: dict[str, Any], synthesise: Synthesise) -> None:
    template = authenticated(context, synthesise, kind="iam")
    assert guarded(template, AuthorizationType="AWS_IAM") == LEAVE
    assert not of_type(template, "AWS::ApiGateway::ApiKey")
    assert "ApiKeyId" not in template["Outputs"]
    # A request without a signature is no missing path.
    (response,) = (
        item["Properties"]
        for item in of_type(template, "AWS::ApiGateway::GatewayResponse").values()
        if item["Properties"]["ResponseType"] == "MISSING_AUTHENTICATION_TOKEN"
    )
    assert response["StatusCode"] == "403"


JWT = {"kind": "jwt", "issuer": "https://issuer.example/pool", "audience": "cxr", "scope_prefix": "cxr/"}


def test_holders_of_tokens_pass_the_authorizer(context: dict[str, Any], synthesise: Synthesise) -> None:
    template = authenticated(context, synthesise, **JWT)
    assert guarded(template, AuthorizationType="CUSTOM") == LEAVE
    ((name, authorizer),) = of_type(template, "AWS::ApiGateway::Authorizer").items()
    assert {method["AuthorizerId"]["Ref"] for method in methods(template).values() if "AuthorizerId" in method} == {
        name
    }
    properties = authorizer["Properties"]
    assert properties["Type"] == "TOKEN"
    assert properties["AuthorizerResultTtlInSeconds"] <= 300
    assert re.fullmatch(properties["IdentityValidationExpression"], "Bearer aa.bb-_.cc")
    assert not re.fullmatch(properties["IdentityValidationExpression"], "Bearer aa.bb")
    Template.from_json(template).has_resource_properties(
        "AWS::Lambda::Function",
        {
            "Handler": "lambdas.authorizer.handler.handle",
            "Environment": {
                "Variables": Match.object_like({"ISSUER": JWT["issuer"], "AUDIENCE": "cxr", "SCOPE_PREFIX": "cxr/"})
            },
        },
    )
    assert not of_type(template, "AWS::ApiGateway::ApiKey")


def test_the_authorizer_may_do_nothing_but_log(context: dict[str, Any], synthesise: Synthesise) -> None:
    template = authenticated(context, synthesise, **JWT)
    allowed = {
        action
        for name, policy in of_type(template, "AWS::IAM::Policy").items()
        if "Authentication" in name
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
    }
    assert {action.partition(":")[0] for action in allowed} == {"logs", "xray"}


def test_without_tokens_there_is_no_authorizer(templates: Templates) -> None:
    assert not of_type(templates("dev")["api"], "AWS::ApiGateway::Authorizer")


def rights(template: dict[str, Any], role: str) -> dict[str, str]:
    """What a role may do to data, and on what."""
    return {
        action: json.dumps(statement["Resource"])
        for policy in of_type(template, "AWS::IAM::Policy").values()
        if any(one["Ref"].startswith(role) for one in policy["Properties"]["Roles"])
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
        if action.startswith(("dynamodb:", "s3:", "sagemaker:"))
    }


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("FrontRole", set()),
        ("PredictionsRole", {"dynamodb:GetItem"}),
        ("FeedbackRole", {"dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:DeleteItem"}),
        ("UploadsRole", {"s3:PutObject", "s3:AbortMultipartUpload", "dynamodb:PutItem", "dynamodb:DeleteItem"}),
        (
            "ModelRole",
            {
                *(f"sagemaker:Describe{kind}" for kind in ("Endpoint", "EndpointConfig", "Model", "ModelPackage")),
                *("s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"),
            },
        ),
    ],
)
def test_each_function_may_do_what_its_path_needs(role: str, allowed: set[str], templates: Templates) -> None:
    assert set(rights(templates("dev")["api"], role)) == allowed


def test_predict_writes_predictions_and_reads_none(templates: Templates) -> None:
    found = rights(templates("dev")["api"], "PredictRole")
    assert {action for action in found if action.startswith("dynamodb:")} == {"dynamodb:PutItem", "dynamodb:DeleteItem"}
    assert "uploads/*" in found["s3:GetObject"]
    assert "s3:PutObject" not in found


def test_no_function_reaches_what_others_remember(templates: Templates) -> None:
    """The table of requests is shared, its items are not: answers to one operation are none of another's business."""
    template = templates("dev")["api"]
    (table,) = of_type(template, "AWS::DynamoDB::Table")
    patterns = []
    for policy in of_type(template, "AWS::IAM::Policy").values():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Resource"] == {"Fn::GetAtt": [table, "Arn"]}:
                (role,) = policy["Properties"]["Roles"]
                keys = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
                patterns.append((role["Ref"][: role["Ref"].index("Role")].lower(), listed(keys)))
    # The names are those that the functions begin their records with.
    assert sorted(patterns) == [
        ("feedback", ["feedback#*"]),
        ("predict", ["predictions#*"]),
        ("uploads", ["uploads#*"]),
    ]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_tables_forget_and_are_encrypted_with_the_environment_s_key(environment: str, templates: Templates) -> None:
    parts = templates(environment)
    tables = {**of_type(parts["data"], "AWS::DynamoDB::Table"), **of_type(parts["api"], "AWS::DynamoDB::Table")}
    assert len(tables) == 2
    for name, table in tables.items():
        properties = table["Properties"]
        assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}, name
        assert properties["SSESpecification"]["SSEType"] == "KMS", name
        assert "Key" in json.dumps(properties["SSESpecification"]["KMSMasterKeyId"]), name
        assert properties["BillingMode"] == "PAY_PER_REQUEST", name
    (predictions,) = of_type(parts["data"], "AWS::DynamoDB::Table").values()
    retained = environment == "prod"
    assert predictions["DeletionPolicy"] == ("RetainExceptOnCreate" if retained else "Delete")
    assert predictions["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is retained


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_uploaded_image_goes_after_a_day_with_all_its_versions(environment: str, templates: Templates) -> None:
    rules = [
        rule
        for bucket in of_type(templates(environment)["data"], "AWS::S3::Bucket").values()
        for rule in bucket["Properties"].get("LifecycleConfiguration", {}).get("Rules", [])
        if rule.get("Prefix") == "uploads/"
    ]
    (rule,) = rules
    assert (rule["ExpirationInDays"], rule["NoncurrentVersionExpiration"]["NoncurrentDays"]) == (1, 1)


READER = "https://reader.example"


def with_origins(context: dict[str, Any], synthesise: Synthesise, *origins: str) -> dict[str, dict[str, Any]]:
    context["environments"]["dev"]["api"] = {"allowed_origins": list(origins)}
    return synthesise(context)


def test_no_page_of_another_origin_calls_by_default(templates: Templates) -> None:
    assert "Access-Control" not in json.dumps(templates("prod")["api"])


def form_origins(template: dict[str, Any]) -> list[Any]:
    """Whose pages may read S3's answer to a form, by the only CORS rule there is."""
    (rule,) = [
        rule
        for bucket in of_type(template, "AWS::S3::Bucket").values()
        for rule in bucket["Properties"].get("CorsConfiguration", {}).get("CorsRules", [])
    ]
    assert rule["AllowedMethods"] == ["POST"]
    return [text(origin) for origin in rule["AllowedOrigins"]]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_apis_own_page_may_upload(environment: str, templates: Templates) -> None:
    """The page is of API Gateway's origin and its uploads go to S3's: without the rule every browser refuses those."""
    template = templates(environment)["data"]
    origins = form_origins(template)
    assert origins[0] == "https://*.execute-api.us-east-1.amazonaws.com"
    assert "*" not in origins
    buckets = of_type(template, "AWS::S3::Bucket")
    (taking,) = (name for name, bucket in buckets.items() if "CorsConfiguration" in bucket["Properties"])
    assert taking.startswith("Data"), "nothing is posted to the others"


def test_the_page_may_upload_from_a_domain_of_its_own(context: dict[str, Any], synthesise: Synthesise) -> None:
    domain = "https://cxr.hospital.example"
    context["environments"]["dev"]["api"] = {"page_origins": [domain]}
    parts = synthesise(context)
    assert form_origins(parts["data"]) == ["https://*.execute-api.us-east-1.amazonaws.com", domain]
    assert "Access-Control" not in json.dumps(parts["api"]), "its own API is of the same origin"


@pytest.mark.parametrize(
    ("origins", "echoed"),
    [((READER,), f"'{READER}'"), ((READER, "https://other.example"), "method.request.header.Origin")],
)
def test_pages_of_allowed_origins_may_call_upload_and_read_errors(
    origins: tuple[str, ...], echoed: str, context: dict[str, Any], synthesise: Synthesise
) -> None:
    parts = with_origins(context, synthesise, *origins)
    for response in of_type(parts["api"], "AWS::ApiGateway::GatewayResponse").values():
        headers = response["Properties"]["ResponseParameters"]
        assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == echoed
    told = [
        function["Properties"]["Environment"]["Variables"].get("ALLOWED_ORIGINS")
        for function in of_type(parts["api"], "AWS::Lambda::Function").values()
        if function["Properties"]["Handler"].startswith(("lambdas.api", "lambdas.predict", "lambdas.site"))
    ]
    assert told == [" ".join(origins)] * 6
    assert form_origins(parts["data"])[1:] == list(origins)


@pytest.mark.parametrize(("environment", "on"), [("dev", False), ("laptop", False), ("staging", True), ("prod", True)])
def test_a_firewall_stands_where_settings_say_so(environment: str, on: bool, templates: Templates) -> None:
    template = templates(environment)["api"]
    assert bool(of_type(template, "AWS::WAFv2::WebACL")) is on
    assert bool(of_type(template, "AWS::WAFv2::WebACLAssociation")) is on


def firewall_rules(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (acl,) = of_type(template, "AWS::WAFv2::WebACL").values()
    return {rule["Name"]: rule for rule in acl["Properties"]["Rules"]}


def test_the_firewall_counts_addresses_and_knows_attacks(templates: Templates, context: dict[str, Any]) -> None:
    rules = firewall_rules(templates("prod")["api"])
    limit = Settings.load({**context, "env": "prod"}).api.firewall.requests_per_five_minutes
    assert rules["TooManyRequests"]["Statement"]["RateBasedStatement"]["Limit"] == limit
    managed = [rule["Statement"]["ManagedRuleGroupStatement"]["Name"] for rule in rules.values()
               if "ManagedRuleGroupStatement" in rule["Statement"]]  # fmt: skip
    assert sorted(managed) == sorted(MANAGED)
    assert len({rule["Priority"] for rule in rules.values()}) == len(rules)


def test_the_firewall_lets_images_through_and_limits_documents(templates: Templates) -> None:
    rules = firewall_rules(templates("prod")["api"])
    statements = rules["LargeDocument"]["Statement"]["AndStatement"]["Statements"]
    elsewhere, large = statements
    images = elsewhere["NotStatement"]["Statement"]["ByteMatchStatement"]
    assert (images["SearchString"], images["PositionalConstraint"]) == ("/v1/predictions", "ENDS_WITH")
    assert large["SizeConstraintStatement"]["Size"] == MAX_DOCUMENT_BYTES
    # Rules that search bodies find attacks in noise.
    group = rules["AWSManagedRulesCommonRuleSet"]["Statement"]["ManagedRuleGroupStatement"]
    counted = {one["Name"] for one in group["RuleActionOverrides"] if "Count" in one["ActionToUse"]}
    assert {name for name in counted if name.endswith("_BODY")} >= {"SizeRestrictions_BODY", "CrossSiteScripting_BODY"}


def test_the_firewall_keeps_no_request(templates: Templates) -> None:
    """Samples show headers: keys and tokens."""
    template = templates("prod")["api"]
    assert not of_type(template, "AWS::WAFv2::LoggingConfiguration")
    visible = re.findall(r'"SampledRequestsEnabled": (\w+)', json.dumps(of_type(template, "AWS::WAFv2::WebACL")))
    assert set(visible) == {"false"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_limits_are_those_of_the_settings(environment: str, templates: Templates, context: dict[str, Any]) -> None:
    api = Settings.load({**context, "env": environment}).api.model_dump()
    template = Template.from_json(templates(environment)["api"])
    template.has_resource_properties(
        "AWS::ApiGateway::UsagePlan",
        {
            "Throttle": {"RateLimit": api["requests_per_second"], "BurstLimit": api["burst"]},
            "Quota": {"Limit": api["requests_per_day"], "Period": "DAY"},
        },
    )
    method = {"HttpMethod": "*", "ResourcePath": "/*"}
    limits = {"ThrottlingRateLimit": api["stage_requests_per_second"], "ThrottlingBurstLimit": api["stage_burst"]}
    template.has_resource_properties(
        "AWS::ApiGateway::Stage", {"MethodSettings": [Match.object_like({**method, **limits})]}
    )
    assert api["requests_per_second"] < api["stage_requests_per_second"], "one busy client leaves the others something"
    assert api["burst"] < api["stage_burst"]
    template.has_resource_properties(
        "AWS::Lambda::Function",
        {
            "Environment": {
                "Variables": Match.object_like(
                    {"ENDPOINT_NAME": f"cxr-{environment}", "MAX_IMAGE_BYTES": str(api["max_image_bytes"])}
                )
            }
        },
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_log_holds_an_image_or_an_answer(environment: str, templates: Templates) -> None:
    (stage,) = of_type(templates(environment)["api"], "AWS::ApiGateway::Stage").values()
    properties = stage["Properties"]
    assert properties["StageName"] == "api"
    (settings,) = properties["MethodSettings"]
    assert (settings["DataTraceEnabled"], settings["LoggingLevel"]) == (False, "OFF")
    line = json.loads(properties["AccessLogSetting"]["Format"])
    assert line["request_id"] == "$context.requestId"
    assert not [value for value in line.values() if "body" in value or "header" in value or "sourceIp" in value]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_gateway_answers_problems_as_the_function_does(environment: str, templates: Templates) -> None:
    responses = {
        item["Properties"]["ResponseType"]: item["Properties"]
        for item in of_type(templates(environment)["api"], "AWS::ApiGateway::GatewayResponse").values()
    }
    assert set(responses) == set(PROBLEMS) | set(FALLBACKS)
    for name, response in responses.items():
        document = json.loads(response["ResponseTemplates"]["application/json"])
        assert document["request_id"] == "$context.requestId", name
        assert document["type"] == f"urn:problem-type:{document['code']}", name
        headers = response["ResponseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        assert headers["gatewayresponse.header.x-request-id"] == "context.requestId"
        if "status" in document:
            assert response["StatusCode"] == str(document["status"]), name


def test_a_code_means_the_same_whoever_answers() -> None:
    for status, code, title, _ in PROBLEMS.values():
        if code in KINDS and code != "internal_error":  # the gateway's own failure is a 502
            assert (KINDS[code].status, KINDS[code].title) == (status, title)


def test_only_one_environment_of_an_account_owns_its_log_role(
    context: dict[str, Any], templates: Templates, synthesise: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    assert of_type(templates("dev")["api"], "AWS::ApiGateway::Account")
    context["environments"]["dev"]["api"] = {"owns_account_log_role": False}
    assert not of_type(synthesise(context)["api"], "AWS::ApiGateway::Account")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_outputs_are_what_clients_ask_for(environment: str, templates: Templates) -> None:
    expected = {
        "data": {"DataBucketName", "ArtifactBucketName"},
        "training": {"PipelineName", "ModelPackageGroupName", "NotificationTopicArn", "TriggerFunctionName"},
        "release": {"ReleaseFunctionName"},
        "endpoint": {"EndpointName"},
        "api": {"ApiUrl", "ApiKeyId", "PredictFunctionName"},
        "monitoring": {"MonitoringPipelineName"},
    }
    for part, template in templates(environment).items():
        found = {name for name in template["Outputs"] if not name.startswith("ExportsOutput")}
        assert expected[part] <= found
        assert part != "api" or found == expected[part]
    url = templates(environment)["api"]["Outputs"]["ApiUrl"]["Value"]["Fn::Join"][1]
    assert url[-1] == "/"


def dicom_function(template: dict[str, Any], folder: str = "dicom") -> tuple[str, dict[str, Any]]:
    ((name, function),) = (
        (name, function["Properties"])
        for name, function in of_type(template, "AWS::Lambda::Function").items()
        if function["Properties"]["Handler"] == f"lambdas.{folder}.handler.handle"
    )
    return name, function


def invokers(template: dict[str, Any], function: str) -> list[str]:
    """Roles that may invoke a function, without the ends of their names."""
    return [
        re.sub("Role.*", "Role", role["Ref"])
        for policy in of_type(template, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "lambda:InvokeFunction" in str(statement["Action"])
        and {"Fn::GetAtt": [function, "Arn"]} in listed(statement["Resource"])
        for role in policy["Properties"]["Roles"]
    ]


def permitted(template: dict[str, Any], function: dict[str, Any]) -> set[str]:
    """Actions of a function's role besides those that every function has."""
    role = function["Role"]["Fn::GetAtt"][0]
    allowed = {
        action
        for policy in of_type(template, "AWS::IAM::Policy").values()
        if {"Ref": role} in policy["Properties"]["Roles"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    }
    assert "logs:PutLogEvents" in allowed
    return {action for action in allowed if not action.startswith(("logs:", "xray:", "ec2:"))}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_dicom_files_are_converted_by_a_function_that_only_predict_invokes(
    environment: str, templates: Templates
) -> None:
    template = templates(environment)["api"]
    name, function = dicom_function(template)
    # Predict gives up after READ_TIMEOUT_SECONDS: the function's own end comes before.
    assert function["Timeout"] < READ_TIMEOUT_SECONDS
    Template.from_json(template).has_resource_properties(
        "AWS::Lambda::Function",
        {"Environment": {"Variables": Match.object_like({"DICOM_FUNCTION_NAME": {"Ref": name}})}},
    )
    assert invokers(template, name) == ["PredictRole"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_decoders_of_dicom_files_may_do_nothing_but_log(environment: str, templates: Templates) -> None:
    template = templates(environment)["api"]
    assert permitted(template, dicom_function(template)[1]) == set()


def test_without_results_in_dicom_there_is_nothing_of_them(templates: Templates, context: dict[str, Any]) -> None:
    """Off is the default: no function, and no name of one."""
    assert [context["environments"][one].get("api", {}).get("dicom_results") for one in ENVIRONMENTS] == [
        *(None, None, None),
        True,  # nothing leaves the laptop
    ]
    template = templates("prod")["api"]
    assert not [one for one in template["Resources"] if one.startswith("DicomResult")]
    Template.from_json(template).has_resource_properties(
        "AWS::Lambda::Function", {"Environment": {"Variables": Match.object_like({"DICOM_RESULT_FUNCTION_NAME": ""})}}
    )


def test_results_in_dicom_are_made_by_a_function_that_only_predict_invokes_and_that_may_only_log(
    coded: dict[str, dict[str, Any]], templates: Templates
) -> None:
    template = coded["api"]
    name, function = dicom_function(template, "dicom_result")
    assert function["Timeout"] < dicom_result.READ_TIMEOUT_SECONDS
    found = Template.from_json(template)
    found.has_resource_properties(
        "AWS::Lambda::Function",
        {"Environment": {"Variables": Match.object_like({"DICOM_RESULT_FUNCTION_NAME": {"Ref": name}})}},
    )
    found.has_resource_properties(
        "AWS::ApiGateway::RestApi",
        {"BinaryMediaTypes": ["image/jpeg", "image/png", "application/dicom", "multipart/related"]},
    )
    assert invokers(template, name) == ["PredictRole"]
    assert permitted(template, function) == set()
    on, off = (dicom_function(one)[1]["Code"]["S3Key"] for one in (template, templates("prod")["api"]))
    assert on == off, "the function that reads DICOM files is the same, and starts as fast"


def test_the_function_carries_its_libraries_into_aws_and_not_onto_the_laptop(templates: Templates) -> None:
    """There, functions run in an interpreter that has them, on another machine than Lambda's."""

    dev, prod, laptop = (
        dicom_function(templates(environment)["api"])[1]["Code"]["S3Key"] for environment in ("dev", "prod", "laptop")
    )
    assert dev == prod
    assert laptop != dev
