"""The committed definitions are what the source says, and the service can run them as they stand."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

# What infra/ fills in. A name more or less breaks the deployment.
PLACEHOLDERS = {
    "AWS::Region",
    "SourceRevision",
    "ArtifactBucketName",
    "ArtifactKeyArn",
    "DecodeRoleArn",
    "DicomLibraryUri",
    "EngineLibraryUri",
    "FindServingModelFunctionArn",
    "ModelPackageGroupName",
    "PatientKeyUri",
    "ProcessingImageUri",
    "ServingImageUri",
    "SourceCodeUri",
    "StepRoleArn",
    "TrainingImageUri",
}
# Gate, its limit or the parameter holding it, the comparison, and the flag that tells the evaluation of it.
GATES = [
    ("binary_classification_metrics.auc.value", "MinAuroc", "GreaterThanOrEqualTo", "--min-auroc"),
    ("binary_classification_metrics.true_positive_rate.value", "MinSensitivity", "GreaterThanOrEqualTo",
     "--min-sensitivity"),
    ("binary_classification_metrics.true_negative_rate.value", "MinSpecificity", "GreaterThanOrEqualTo",
     "--min-specificity"),
    ("calibration.error_beyond_chance.value", "MaxCalibrationError", "LessThanOrEqualTo",
     "--max-calibration-error"),
    ("worst_subgroup.sensitivity_bound.value", "MinSubgroupSensitivity", "GreaterThanOrEqualTo",
     "--min-subgroup-sensitivity"),
    ("engine.beyond_limits", 0, "LessThanOrEqualTo", None),
    ("comparison.significantly_worse", 0, "LessThanOrEqualTo", "--serving-comparison"),
]  # fmt: skip
DESCRIBES = {
    "Processing": ("DescribeProcessingJob",),
    "Training": ("DescribeTrainingJob",),
    "Tuning": ("DescribeHyperParameterTuningJob", "ListTrainingJobsForHyperParameterTuningJob"),
    "RegisterModel": ("DescribeModelPackage",),
}
JOBS = ("PreprocessImages", "SplitDataset", "TrainModel", "EvaluateModel")
VARIANTS = ("on-demand", "spot", "tuning", "tuning-spot")


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


@pytest.mark.parametrize("variant", VARIANTS)
def test_committed_file_is_what_the_source_compiles_to(variant, compiled, committed):
    assert committed[variant].text == compiled[variant], "run `make pipeline` and review the difference"


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
    assert definition.text.count("${") == len(re.findall(r"\$\{(?:AWS::)?\w+\}", definition.text))


@pytest.mark.parametrize(("on_demand", "spot"), [("on-demand", "spot"), ("tuning", "tuning-spot")])
def test_spot_differs_only_in_how_capacity_is_bought(on_demand, spot, committed):
    document = committed[spot].document
    document["Parameters"] = [item for item in document["Parameters"] if item["Name"] != "MaxWaitSeconds"]
    (train,) = (step["Arguments"] for step in document["Steps"] if step["Name"] == "TrainModel")
    job = train.get("TrainingJobDefinition", train)
    assert job.pop("EnableManagedSpotTraining") is True
    assert job["StoppingCondition"].pop("MaxWaitTimeInSeconds") == {"Get": "Parameters.MaxWaitSeconds"}
    assert document == committed[on_demand].document


def test_tuning_differs_only_in_how_the_model_is_found(committed):
    def but_for_training(variant):
        document = committed[variant].document
        (train,) = (step for step in document["Steps"] if step["Name"] == "TrainModel")
        train |= {"Type": "", "Arguments": {}}
        text = json.dumps([committed[variant].document["Version"], document["Steps"]])
        evaluate = {
            item["InputName"]: item for item in committed[variant].arguments("EvaluateModel")["ProcessingInputs"]
        }
        for name in ("model", "training"):
            text = text.replace(json.dumps(evaluate[name]["S3Input"]["S3Uri"]), f'"the {name}"')
        (served,) = (
            output["S3Output"]["S3Uri"]
            for output in committed[variant].arguments("EvaluateModel")["ProcessingOutputConfig"]["Outputs"]
            if output["OutputName"] == "served"
        )
        return text.replace(json.dumps(served), '"the folder"')

    assert but_for_training("tuning") == but_for_training("on-demand")
    assert but_for_training("tuning").count("the model") == 1, "evaluated"
    trained, tuned = (set(committed[variant].parameters) for variant in ("on-demand", "tuning"))
    assert tuned - trained == {"TuningJobs", "TuningParallelJobs"}
    assert trained - tuned == {"LearningRate", "FineTuneLearningRate", "FineTuneFrom", "Dropout"}


class TestParameters:
    def test_only_the_data_has_no_default(self, definition):
        # An execution that does not say what to train on must not start; everything else has the settings' default.
        without = {name for name, parameter in definition.parameters.items() if "DefaultValue" not in parameter}
        assert without == {"InputArchiveUri"}

    def test_default_is_of_the_declared_type(self, definition):
        types: dict[str, type] = {"String": str, "Integer": int, "Float": float, "Boolean": bool}
        for name, parameter in definition.parameters.items():
            if "DefaultValue" in parameter:
                assert type(parameter["DefaultValue"]) is types[parameter["Type"]], name

    def test_each_is_used_and_none_is_missing(self, definition):
        used = {get.removeprefix("Parameters.") for _, get in references(definition.document["Steps"])
                if get.startswith("Parameters.")}  # fmt: skip
        assert used == set(definition.parameters)

    def test_default_machine_is_the_documented_gpu(self, definition):
        assert definition.parameters["TrainingInstanceType"]["DefaultValue"] == "ml.g4dn.xlarge"

    def test_a_default_is_among_the_choices(self, definition):
        chosen = {name: item for name, item in definition.parameters.items() if "EnumValues" in item}
        assert set(chosen) == {"Backbone", "ClassWeights", "Precision", "Xla", "ServingEngine", "ServingComparison"}
        for name, parameter in chosen.items():
            assert parameter["DefaultValue"] in parameter["EnumValues"], name

    @pytest.mark.parametrize("variant", ["spot", "tuning-spot"])
    def test_spot_may_wait_longer_than_it_may_run(self, variant, committed):
        # CreateTrainingJob refuses MaxWaitTimeInSeconds below MaxRuntimeInSeconds.
        defaults = {name: parameter.get("DefaultValue") for name, parameter in committed[variant].parameters.items()}
        assert defaults["MaxWaitSeconds"] >= defaults["MaxRuntimeSeconds"]


class TestGraph:
    def test_steps_are_the_agreed_ones(self, definition):
        train = "Tuning" if "TuningJobs" in definition.parameters else "Training"
        assert {name: step["Type"] for name, step in definition.steps.items()} == {
            "PreprocessImages": "Processing",
            "SplitDataset": "Processing",
            "TrainModel": train,
            "FindServingModel": "Lambda",
            "EvaluateModel": "Processing",
            "CheckQuality": "Condition",
            "RegisterModel": "RegisterModel",
            "QualityGateFailed": "Fail",
        }

    def test_registration_is_reachable_only_through_the_gates(self, definition):
        branches = definition.arguments("CheckQuality")
        assert [step["Name"] for step in definition.document["Steps"]][-1] == "CheckQuality"
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
                if path.startswith("OutputParameters["):
                    outputs = {output["OutputName"] for output in definition.steps[source]["OutputParameters"]}
                    assert path.removeprefix("OutputParameters")[2:-2] in outputs
                    continue
                shapes = [
                    sagemaker_model.operation_model(operation).output_shape
                    for operation in DESCRIBES[definition.steps[source]["Type"]]
                ]
                members = re.sub(r"\[('\w+'|\d+)\]", "", path).split(".")
                (shape,) = (shape for shape in shapes if members[0] in shape.members)
                for member in members:
                    shape = shape.member if shape.type_name == "list" else shape
                    assert member in shape.members, f"{get} is described by no member {member}"
                    shape = shape.members[member]

    def test_every_reference_has_a_value(self, definition, resolver):
        for name in (*JOBS, "RegisterModel", "QualityGateFailed"):
            assert resolver(definition).arguments(name)

    def test_execution_id_only_says_where_to_write(self, definition):
        # After a cache hit a step's outputs lie below an earlier execution's id: reading goes through its properties.
        # But for what TrainModel leaves besides its model, and a tuning job's model: no property has their URIs, and
        # that step is never cached.
        written = (
            r"(S3Output\.S3Uri|OutputDataConfig\.S3OutputPath|CheckpointConfig\.S3Uri|TensorBoardOutputConfig\.\w+)"
        )
        allowed = re.compile(rf"\.{written}\.Std:Join\.Values\[\d\]$")
        places = [where for where, get in references(definition.document["Steps"])
                  if get == "Execution.PipelineExecutionId"]  # fmt: skip
        others = {where for where in places if not allowed.search(where)}
        # Decoded images, four of the split, the model, its checkpoints and TensorBoard events, the evaluation and, in
        # the folder of the training job, what is registered.
        assert len(places) - len(others) == (9 if "TuningJobs" in definition.parameters else 10)
        best = {where.rpartition("[")[0] for where, get in references(definition.document["Steps"])
                if re.fullmatch(r"Steps\.TrainModel\.(TrainingJobSummaries\[0\]\.)?TrainingJobName", get)}  # fmt: skip
        assert {where.rpartition("[")[0] for where in others} <= best

    def test_no_output_prefix_begins_another(self, definition, resolver):
        # An S3Prefix input "…/train" would also read "…/training/": inputs are string prefixes, not folders.
        train = resolver(definition).arguments("TrainModel")
        job = train.get("TrainingJobDefinition", train)
        uris = [job["OutputDataConfig"]["S3OutputPath"], job["CheckpointConfig"]["S3Uri"]]
        uris += [config["S3OutputPath"] for config in [train.get("TensorBoardOutputConfig")] if config]
        for step in ("PreprocessImages", "SplitDataset", "EvaluateModel"):
            outputs = resolver(definition).arguments(step)["ProcessingOutputConfig"]["Outputs"]
            # What is registered lies beside the training job's other archives, below a prefix that nothing reads.
            uris += [output["S3Output"]["S3Uri"] for output in outputs if output["OutputName"] != "served"]
        overlapping = [(a, b) for a in uris for b in uris if a is not b and b.startswith(a)]
        assert overlapping == []

    def test_the_comparison_is_with_what_serves_after_the_training(self, definition):
        # Looked up when the execution begins, it could be a model that a release has replaced by the time of the gate.
        find = definition.steps["FindServingModel"]
        assert find["DependsOn"] == ["TrainModel"]
        assert find["Arguments"] == {}
        assert find["FunctionArn"] == "${FindServingModelFunctionArn}"

    def test_an_evaluated_package_and_its_artifact_are_one_answer(self, definition, resolver):
        evaluate = resolver(definition).arguments("EvaluateModel")
        arguments = evaluate["AppSpecification"]["ContainerArguments"]
        (serving,) = (item for item in evaluate["ProcessingInputs"] if item["InputName"] == "serving")
        assert arguments[arguments.index("--serving-package") + 1].endswith(":model-package/cxr-dev/7")
        assert serving["S3Input"]["S3Uri"] == "s3://artifacts/executions/000000000000/model/job/output/model.tar.gz"


class TestCaching:
    def test_only_a_step_with_immutable_inputs_is_cached(self, definition):
        # URIs are compared, not contents: what a cached step reads must never change behind its URI. What a cached
        # step wrote lies below the execution that ran it.
        decoded = "Steps.PreprocessImages.ProcessingOutputConfig.Outputs['decoded'].S3Output.S3Uri"
        code = ("${SourceCodeUri}", "${DicomLibraryUri}")  # by their content
        once = "${PatientKeyUri}"  # and nobody may write it again
        immutable = (*code, once, {"Get": "Parameters.InputArchiveUri"}, {"Get": decoded})
        cached = [name for name, step in definition.steps.items() if step.get("CacheConfig", {}).get("Enabled")]
        assert cached == ["PreprocessImages", "SplitDataset"]
        for name in cached:
            uris = [item["S3Input"]["S3Uri"] for item in definition.arguments(name)["ProcessingInputs"]]
            assert all(uri in immutable for uri in uris), name

    @pytest.mark.parametrize("step", ["PreprocessImages", "SplitDataset"])
    def test_the_script_gets_the_archive_uri_it_has_to_vouch_for(self, definition, step):
        arguments = definition.arguments(step)["AppSpecification"]["ContainerArguments"]
        assert arguments[arguments.index("--archive-uri") + 1] == {"Get": "Parameters.InputArchiveUri"}

    @pytest.mark.parametrize(
        ("step", "parameters"),
        [
            ("PreprocessImages", {"InputArchiveUri", "ImageSize"}),
            ("SplitDataset", {"InputArchiveUri", "ImageSize", "ValidationFraction", "Seed"}),
        ],
    )
    def test_everything_that_shapes_the_dataset_is_in_the_cache_key(self, definition, step, parameters):
        # The key of a processing step holds AppSpecification, Environment and ProcessingInputs, nothing else. How many
        # instances decode is not in it, and must not shape anything.
        arguments = definition.arguments(step)
        key = {name: arguments[name] for name in ("AppSpecification", "Environment", "ProcessingInputs")}
        in_key = {get.removeprefix("Parameters.") for _, get in references(key) if get.startswith("Parameters.")}
        assert in_key == parameters

    @pytest.mark.parametrize("step", ["PreprocessImages", "SplitDataset"])
    def test_reuse_ends(self, definition, step):
        assert definition.steps[step]["CacheConfig"]["ExpireAfter"] == "P30D"


class TestGates:
    def test_conditions_compare_each_metric_with_its_limit(self, definition):
        conditions = definition.arguments("CheckQuality")["Conditions"]

        def limit(value):
            return value["Get"].removeprefix("Parameters.") if isinstance(value, dict) else value

        found = [
            (item["LeftValue"]["Std:JsonGet"]["Path"], limit(item["RightValue"]), item["Type"]) for item in conditions
        ]
        assert found == [gate[:3] for gate in GATES]

    def test_metrics_are_read_from_a_file_the_evaluation_writes(self, definition):
        evaluate = definition.steps["EvaluateModel"]
        outputs = [output["OutputName"] for output in evaluate["Arguments"]["ProcessingOutputConfig"]["Outputs"]]
        files = {file["FilePath"]: file for file in evaluate["PropertyFiles"]}
        assert set(files) == {"evaluation.json", "model_card.json"}
        assert {file["OutputName"] for file in files.values()} <= set(outputs)
        source = {"Get": f"Steps.EvaluateModel.PropertyFiles.{files['evaluation.json']['PropertyFileName']}"}
        for condition in definition.arguments("CheckQuality")["Conditions"]:
            assert condition["LeftValue"]["Std:JsonGet"]["PropertyFile"] == source

    def test_evaluation_gets_the_limits_the_conditions_use(self, definition):
        # Else the message would name another limit than the one that stopped the model.
        arguments = definition.arguments("EvaluateModel")["AppSpecification"]["ContainerArguments"]
        for _, limit, _, flag in GATES:
            if flag is None:  # no limit of the operator's
                continue
            parameter = "ServingComparison" if limit == 0 else limit
            assert [get for _, get in references(arguments[arguments.index(flag) + 1])] == [f"Parameters.{parameter}"]


class TestFailure:
    def test_message_names_gate_value_and_limit(self, definition, resolver):
        said = "AUROC 0.812 is below its limit 0.95."
        message = resolver(definition, exit_message=said).arguments("QualityGateFailed")["ErrorMessage"]
        assert message == (
            "Model not registered. AUROC 0.812 is below its limit 0.95. Limits: AUROC at least 0.95, "
            "sensitivity at least 0.9, specificity at least 0.75, calibration error at most 0.1, sensitivity of the "
            "worst subgroup at least 0.7."
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
