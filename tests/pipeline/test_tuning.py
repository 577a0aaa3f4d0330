"""The tuning request: valid for the service, over the script's hyperparameters; its best model is the step's."""

import json
import re

import pytest


@pytest.fixture(params=["tuning", "tuning-spot"])
def definition(request, committed):
    return committed[request.param]


@pytest.fixture
def tune(definition, resolver):
    # The longest name the service takes, which is what a pipeline gives.
    return {"HyperParameterTuningJobName": "a" * 32, **resolver(definition).arguments("TrainModel")}


def ranges(tune):
    found = tune["HyperParameterTuningJobConfig"]["ParameterRanges"]
    return {item["Name"]: item for kind in found.values() for item in kind}


def test_service_model_accepts_the_request(tune, refusals):
    assert refusals("CreateHyperParameterTuningJob", tune) == ""


def test_it_maximises_a_metric_that_its_jobs_say(tune):
    objective = tune["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    metrics = tune["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"]
    assert objective == {"Type": "Maximize", "MetricName": "validation:best_auc"}
    assert objective["MetricName"] in [metric["Name"] for metric in metrics]


def test_search_and_parameters_together_are_the_hyperparameters_of_a_training(tune, on_demand):
    static = tune["TrainingJobDefinition"]["StaticHyperParameters"]
    searched = ranges(tune)
    assert set(searched) == {"learning-rate", "fine-tune-learning-rate", "dropout", "fine-tune-from"}
    # A name in both would be refused.
    assert not set(static) & set(searched)
    assert {*static, *searched} == set(on_demand.arguments("TrainModel")["HyperParameters"])


def test_what_an_untuned_training_takes_by_default_is_in_the_ranges(tune, on_demand):
    for name, item in ranges(tune).items():
        default = on_demand.parameters["".join(part.capitalize() for part in name.split("-"))]["DefaultValue"]
        if "Values" in item:
            assert default in item["Values"], name
        else:
            assert float(item["MinValue"]) < default < float(item["MaxValue"]), name


def test_rates_are_searched_by_their_ratio(tune):
    scales = {name: item.get("ScalingType") for name, item in ranges(tune).items()}
    assert {name for name, scale in scales.items() if scale == "Logarithmic"} == {
        "learning-rate",
        "fine-tune-learning-rate",
    }


def test_the_toolkit_hands_searched_values_to_the_script_unquoted(tune):
    # It decodes a value as JSON and keeps the text where that fails: "none" must not become a null.
    for value in ranges(tune)["fine-tune-from"]["Values"]:
        assert re.fullmatch(r"[a-z-]+", value)
        with pytest.raises(json.JSONDecodeError):
            json.loads(value)


def test_an_operator_says_how_many_jobs_and_how_many_at_once(definition):
    limits = definition.arguments("TrainModel")["HyperParameterTuningJobConfig"]["ResourceLimits"]
    assert limits == {
        "MaxNumberOfTrainingJobs": {"Get": "Parameters.TuningJobs"},
        "MaxParallelTrainingJobs": {"Get": "Parameters.TuningParallelJobs"},
    }
    defaults = {name: parameter.get("DefaultValue") for name, parameter in definition.parameters.items()}
    assert defaults["TuningJobs"] >= defaults["TuningParallelJobs"]


def test_the_model_is_that_of_the_best_job(tune, definition, resolver):
    # The service lists the jobs of a tuning step by their objective, the best first.
    prefix = tune["TrainingJobDefinition"]["OutputDataConfig"]["S3OutputPath"]
    best = f"{prefix}/abcdef012345-TrainMod-0123456789-003-0a1b2c3d/output"
    evaluate = resolver(definition).arguments("EvaluateModel")
    (model,) = (item for item in evaluate["ProcessingInputs"] if item["InputName"] == "model")
    (container,) = resolver(definition).arguments("RegisterModel")["InferenceSpecification"]["Containers"]
    assert model["S3Input"]["S3Uri"] == f"{best}/model.tar.gz"
    assert container["ModelDataUrl"] == f"{best}/served.tar.gz"


def test_jobs_run_to_their_end(tune):
    # The objective is said once, at the end: there is nothing to compare a running job by.
    assert tune["HyperParameterTuningJobConfig"]["TrainingJobEarlyStoppingType"] == "Off"
