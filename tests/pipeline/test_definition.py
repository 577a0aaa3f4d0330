"""The committed definitions are what the source says, and the service can run them as they stand."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

# What infra/ fills in. A name more or less breaks the deployment.
PLACEHOLDERS = {
    "ArtifactBucketName",
    "ArtifactKeyArn",
    "ModelPackageGroupName",
    "ProcessingImageUri",
    "ServingImageUri",
    "SourceCodeUri",
    "StepRoleArn",
    "TrainingImageUri",
}
# Gate, the parameter holding its limit, the comparison, and the flag that tells the evaluation the same limit.
GATES = [
    ("binary_classification_metrics.auc.value", "MinAuroc", "GreaterThanOrEqualTo", "--min-auroc"),
    ("binary_classification_metrics.true_positive_rate.value", "MinSensitivity", "GreaterThanOrEqualTo",
     "--min-sensitivity"),
    ("binary_classification_metrics.true_negative_rate.value", "MinSpecificity", "GreaterThanOrEqualTo",
     "--min-specificity"),
    ("calibration.expected_calibration_error.value", "MaxCalibrationError", "LessThanOrEqualTo",
     "--max-calibration-error"),
]  # fmt: skip
DESCRIBES = {
    "Processing": "DescribeProcessingJob",
    "Training": "DescribeTrainingJob",
    "RegisterModel": "DescribeModelPackage",
}
JOBS = ("PreprocessImages", "TrainModel", "EvaluateModel")


def references(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every `Get` below a node: where it stands, and what it gets."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from references(item, f"{path}[{index}]")
    elif isinstance(node, dict):
        if set(node) == {"Get"}:
            yield path, node["Get"]
            return
        for key, item in node.items():
            yield from references(item, f"{path}.{key}")


@pytest.mark.parametrize("variant", ["on-demand", "spot"])
def test_committed_file_is_what_the_source_compiles_to(variant, compiled, on_demand, spot):
    committed = {"on-demand": on_demand, "spot": spot}[variant]
    assert committed.text == compiled[variant], "run `make pipeline` and review the difference"


def test_text_is_reviewable_and_within_the_service_limit(definition):
    assert definition.text == json.dumps(definition.document, indent=2) + "\n"
    # CreatePipeline takes 1,048,576 characters; CDK puts the text into a template of at most 1 MB.
    assert len(definition.text) < 100_000


def test_no_member_is_null(definition):
    # The service refuses members that are there without a value.
    assert "null" not in re.sub(r'"(?:[^"\\]|\\.)*"', "", definition.text)


def test_placeholders_are_those_the_stack_fills(definition):
    assert set(re.findall(r"\$\{([^}]*)\}", definition.text)) == PLACEHOLDERS
    # Fn::Sub would take any other for its own.
    assert definition.text.count("${") == len(re.findall(r"\$\{\w+\}", definition.text))


def test_spot_differs_only_in_how_capacity_is_bought(on_demand, spot):
    document = spot.document
    document["Parameters"] = [item for item in document["Parameters"] if item["Name"] != "MaxWaitSeconds"]
    train = document["Steps"][1]["Arguments"]
    assert train.pop("EnableManagedSpotTraining") is True
    assert train["StoppingCondition"].pop("MaxWaitTimeInSeconds") == {"Get": "Parameters.MaxWaitSeconds"}
    assert document == on_demand.document


class TestParameters:
    def test_only_the_data_has_no_default(self, definition):
        # An execution that does not say what to train on must not start; everything else has the settings' default.
        without = {name for name, parameter in definition.parameters.items() if "DefaultValue" not in parameter}
        assert without == {"InputArchiveUri"}

    def test_default_is_of_the_declared_type(self, definition):
        types: dict[str, type] = {"String": str, "Integer": int, "Float": float}
        for name, parameter in definition.parameters.items():
            if "DefaultValue" in parameter:
                assert type(parameter["DefaultValue"]) is types[parameter["Type"]], name

    def test_each_is_used_and_none_is_missing(self, definition):
        used = {get.removeprefix("Parameters.") for _, get in references(definition.document["Steps"])
                if get.startswith("Parameters.")}  # fmt: skip
        assert used == set(definition.parameters)

    def test_default_machine_is_the_documented_gpu(self, definition):
        assert definition.parameters["TrainingInstanceType"]["DefaultValue"] == "ml.g4dn.xlarge"

    def test_spot_may_wait_longer_than_it_may_run(self, spot):
        # CreateTrainingJob refuses MaxWaitTimeInSeconds below MaxRuntimeInSeconds.
        defaults = {name: parameter.get("DefaultValue") for name, parameter in spot.parameters.items()}
        assert defaults["MaxWaitSeconds"] >= defaults["MaxRuntimeSeconds"]


class TestGraph:
    def test_steps_are_the_agreed_ones(self, definition):
        assert {name: step["Type"] for name, step in definition.steps.items()} == {
            "PreprocessImages": "Processing",
            "TrainModel": "Training",
            "EvaluateModel": "Processing",
            "CheckQuality": "Condition",
            "RegisterModel": "RegisterModel",
            "QualityGateFailed": "Fail",
        }

    def test_registration_is_reachable_only_through_the_gates(self, definition):
        branches = definition.arguments("CheckQuality")
        assert [step["Name"] for step in definition.document["Steps"]] == [*JOBS, "CheckQuality"]
        assert [step["Name"] for step in branches["IfSteps"]] == ["RegisterModel"]
        assert [step["Name"] for step in branches["ElseSteps"]] == ["QualityGateFailed"]

    def test_references_name_earlier_steps_and_members_of_their_description(self, definition, sagemaker_model):
        order = list(definition.steps)
        for position, (name, step) in enumerate(definition.steps.items()):
            own = {key: value for key, value in step["Arguments"].items() if key not in {"IfSteps", "ElseSteps"}}
            for where, get in references(own):
                if not get.startswith("Steps."):
                    continue
                _, source, path = get.split(".", 2)
                assert source in order[:position], f"{name}{where} refers to {source}, which does not run before it"
                if path.startswith("PropertyFiles."):
                    files = {file["PropertyFileName"] for file in definition.steps[source]["PropertyFiles"]}
                    assert path.removeprefix("PropertyFiles.") in files
                    continue
                operation = sagemaker_model.operation_model(DESCRIBES[definition.steps[source]["Type"]])
                shape = operation.output_shape
                for member in re.sub(r"\['\w+'\]", "", path).split("."):
                    shape = shape.member if shape.type_name == "list" else shape
                    assert member in shape.members, f"{get} is no member of {operation.output_shape.name}"
                    shape = shape.members[member]

    def test_every_reference_has_a_value(self, definition, resolver):
        for name in (*JOBS, "RegisterModel", "QualityGateFailed"):
            assert resolver(definition).arguments(name)

    def test_execution_id_only_says_where_to_write(self, definition):
        # After a cache hit a step's outputs lie below an earlier execution's id: reading goes through its properties.
        allowed = re.compile(r"\.(S3Output\.S3Uri|OutputDataConfig\.S3OutputPath)\.Std:Join\.Values\[\d\]$")
        places = [where for where, get in references(definition.document["Steps"])
                  if get == "Execution.PipelineExecutionId"]  # fmt: skip
        assert len(places) == 6  # four of the preprocessing, the model, the evaluation
        assert [where for where in places if not allowed.search(where)] == []

    def test_no_output_prefix_begins_another(self, definition, resolver):
        # An S3Prefix input "…/train" would also read "…/training/": inputs are string prefixes, not folders.
        uris = [resolver(definition).arguments("TrainModel")["OutputDataConfig"]["S3OutputPath"]]
        for step in ("PreprocessImages", "EvaluateModel"):
            outputs = resolver(definition).arguments(step)["ProcessingOutputConfig"]["Outputs"]
            uris += [output["S3Output"]["S3Uri"] for output in outputs]
        overlapping = [(a, b) for a in uris for b in uris if a is not b and b.startswith(a)]
        assert overlapping == []


class TestCaching:
    def test_only_a_step_with_immutable_inputs_is_cached(self, definition):
        # URIs are compared, not contents: what a cached step reads must never change behind its URI.
        immutable = ("${SourceCodeUri}", {"Get": "Parameters.InputArchiveUri"})
        cached = [name for name, step in definition.steps.items() if step.get("CacheConfig", {}).get("Enabled")]
        assert cached == ["PreprocessImages"]
        for name in cached:
            uris = [item["S3Input"]["S3Uri"] for item in definition.arguments(name)["ProcessingInputs"]]
            assert all(uri in immutable for uri in uris), name

    def test_script_is_told_the_archive_uri_it_has_to_vouch_for(self, definition):
        arguments = definition.arguments("PreprocessImages")["AppSpecification"]["ContainerArguments"]
        assert arguments[arguments.index("--archive-uri") + 1] == {"Get": "Parameters.InputArchiveUri"}

    def test_everything_that_shapes_the_dataset_is_in_the_cache_key(self, definition):
        # The key of a processing step holds AppSpecification, Environment and ProcessingInputs, nothing else.
        arguments = definition.arguments("PreprocessImages")
        key = {name: arguments[name] for name in ("AppSpecification", "Environment", "ProcessingInputs")}
        in_key = {get for _, get in references(key)}
        assert {
            f"Parameters.{name}" for name in ("InputArchiveUri", "ImageSize", "ValidationFraction", "Seed")
        } == in_key

    def test_reuse_ends(self, definition):
        assert definition.steps["PreprocessImages"]["CacheConfig"]["ExpireAfter"] == "P30D"


class TestGates:
    def test_conditions_compare_each_metric_with_its_limit(self, definition):
        conditions = definition.arguments("CheckQuality")["Conditions"]
        found = [
            (
                item["LeftValue"]["Std:JsonGet"]["Path"],
                item["RightValue"]["Get"].removeprefix("Parameters."),
                item["Type"],
            )
            for item in conditions
        ]
        assert found == [gate[:3] for gate in GATES]

    def test_metrics_are_read_from_a_file_the_evaluation_writes(self, definition):
        evaluate = definition.steps["EvaluateModel"]
        (file,) = evaluate["PropertyFiles"]
        outputs = [output["OutputName"] for output in evaluate["Arguments"]["ProcessingOutputConfig"]["Outputs"]]
        assert file["FilePath"] == "evaluation.json"
        assert file["OutputName"] in outputs
        source = {"Get": f"Steps.EvaluateModel.PropertyFiles.{file['PropertyFileName']}"}
        for condition in definition.arguments("CheckQuality")["Conditions"]:
            assert condition["LeftValue"]["Std:JsonGet"]["PropertyFile"] == source

    def test_evaluation_is_told_the_limits_the_conditions_use(self, definition):
        # Else the message would name another limit than the one that stopped the model.
        arguments = definition.arguments("EvaluateModel")["AppSpecification"]["ContainerArguments"]
        for _, parameter, _, flag in GATES:
            assert [get for _, get in references(arguments[arguments.index(flag) + 1])] == [f"Parameters.{parameter}"]


class TestFailure:
    def test_message_names_gate_value_and_limit(self, definition, resolver):
        said = "AUROC 0.812 is below its limit 0.95."
        message = resolver(definition, exit_message=said).arguments("QualityGateFailed")["ErrorMessage"]
        assert message == (
            "Model not registered. AUROC 0.812 is below its limit 0.95. Limits: AUROC at least 0.95, "
            "sensitivity at least 0.9, specificity at least 0.75, calibration error at most 0.1."
        )

    def test_message_uses_only_what_a_fail_step_may_hold(self, definition):
        # Parameters, Join and step properties; JsonGet is documented for other steps, not for this one.
        assert "Std:JsonGet" not in json.dumps(definition.steps["QualityGateFailed"])

    def test_long_message_keeps_the_limits(self, definition, resolver):
        # A step's failure reason is cut at 1,024 characters.
        arguments = resolver(definition, exit_message="x" * 800).arguments("QualityGateFailed")
        assert len(arguments["ErrorMessage"]) <= 1024


class TestRetries:
    @pytest.mark.parametrize("step", JOBS)
    def test_job_is_tried_again_for_what_passes_by_itself(self, definition, step):
        errors = [error for policy in definition.steps[step]["RetryPolicies"] for error in policy["ExceptionType"]]
        assert sorted(errors) == [
            "SageMaker.CAPACITY_ERROR",
            "SageMaker.JOB_INTERNAL_ERROR",
            "SageMaker.RESOURCE_LIMIT",
            "Step.SERVICE_FAULT",
            "Step.THROTTLING",
        ]

    @pytest.mark.parametrize("step", [*JOBS, "RegisterModel"])
    def test_policies_are_within_the_service_limits(self, definition, step):
        # https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
        for policy in definition.steps[step]["RetryPolicies"]:
            assert ("MaxAttempts" in policy) != ("ExpireAfterMin" in policy)
            assert 1 <= policy.get("MaxAttempts", 1) <= 20
            assert 1 <= policy.get("ExpireAfterMin", 1) <= 14_400
            assert 1 <= policy["IntervalSeconds"] <= 43_200

    def test_registration_waits_for_no_capacity(self, definition):
        errors = {
            error for policy in definition.steps["RegisterModel"]["RetryPolicies"] for error in policy["ExceptionType"]
        }
        assert errors == {"Step.SERVICE_FAULT", "Step.THROTTLING"}
