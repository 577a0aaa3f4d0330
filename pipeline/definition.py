"""The training pipeline, compiled to the definitions in `FILES`: training or tuning, on demand or on managed spot.

    s3://.../datasets/<token>/archive.zip, or inventory.jsonl.gz
        |
    PreprocessImages ---- decoded ----> SplitDataset      audited: no patient and no duplicate in two splits
                                         |       |
                 train, validation, report       train, validation, test, report
                                         |       |
                                 TrainModel      |        one training, or the best of a tuning job
                                  |      |       |
              FindServingModel <--+  model.tar.gz|
                       |                 |       |
                       +---- serving --> EvaluateModel    leaves served.tar.gz, with the weights that passed
                                         |
                                     CheckQuality         AUROC, sensitivity, specificity, calibration error,
                                      /        \\          not significantly worse than the model that serves
                          RegisterModel        QualityGateFailed

Only this module, `monitoring`, `site_evaluation`, `calibration`, `label_calibration`, `compiling`, `steps` and
`quality_gate` import the SageMaker SDK. They run on a developer's machine, without credentials and without a network
(`make pipeline`); deploying reads the committed JSON, in which `${...}` stands for what the stacks know. Everything an
operator may change for one execution is a parameter (`contract.parameters`).

**Spot and tuning are chosen by deploying one file or another**, not by a parameter: CreateTrainingJob refuses
`MaxWaitTimeInSeconds` without managed spot training and requires it with (sagemaker-python-sdk#4140), an expression
cannot leave a member out, and a step is either of type Training or of type Tuning. Two training steps behind a
condition would need everything after them twice, and condition steps do not nest (developer guide, "Condition step").

**Caching.** A step is skipped if an earlier one, within `ExpireAfter`, had the same attributes: for a processing job
AppSpecification (image, arguments), Environment and ProcessingInputs
(https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-default-keys.html). URIs are compared, not what lies behind
them. So only two steps are cached. The inputs of PreprocessImages are content-addressed source code and libraries, a
key that is written once and stays, and an archive whose URI the script refuses unless it is the immutable copy made of
each uploaded version, or an inventory of versions. SplitDataset reads what PreprocessImages wrote, below the prefix of
the execution that ran it: after a cache hit that is the older one, which is what makes this step hit too, and nobody
writes there again. The instance count is no part of the key: how the work was shared changes nothing of the dataset.
TrainModel is not cached, because `BackboneWeights` may name an object that changes; nor FindServingModel, whose answer
changes with every release; nor EvaluateModel, so that every registered version was evaluated in the execution that
registered it. After a cache hit the outputs lie below another execution's prefix, therefore later steps take every
input from the properties of the step before.

**FindServingModel** waits for TrainModel although it needs nothing of it: training takes hours, and the new model is to
be compared with what serves when it is done, not when it began.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# The SDK resolves a region while it is imported; nothing is called there.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import StepTypeEnum

from model_code.contract.parameters import EVALUATION, GATES, INPUT_ARCHIVE_URI, NETWORK_ISOLATION
from pipeline import calibration, label_calibration, monitoring, site_evaluation
from pipeline.compiling import assembled, declare, joined, text_of
from pipeline.parameters import declared, hyperparameters
from pipeline.processing import connect, preprocess_request, processing_request
from pipeline.quality_gate import quality_gate
from pipeline.registration import register_request
from pipeline.steps import (
    CACHE,
    CARD,
    METRICS,
    FunctionStep,
    RequestStep,
    find_serving_model,
    job_retries,
    processing_step,
    register_step,
)
from pipeline.training import train_request, training_job
from pipeline.tuning import tune_request

DIRECTORY = Path(__file__).parent
# By whether training is on spot capacity, and whether it searches hyperparameters.
FILES: Mapping[tuple[bool, bool], Path] = {
    (False, False): DIRECTORY / "definition.json",
    (True, False): DIRECTORY / "definition-spot.json",
    (False, True): DIRECTORY / "definition-tuning.json",
    (True, True): DIRECTORY / "definition-tuning-spot.json",
}

ARTIFACTS = "s3://${ArtifactBucketName}/executions"
# Apart from what executions leave: the bucket's lifecycle rule for this prefix keeps them for days only.
CHECKPOINTS = "s3://${ArtifactBucketName}/checkpoints"

# The output that is registered. It goes to the folder of the training job's other archives: a warm start and a
# promotion look for output.tar.gz beside a registered model.
SERVED = "served"


def _output(name: str) -> Join:
    return joined(ARTIFACTS, ExecutionVariables.PIPELINE_EXECUTION_ID, name)


def _preprocess(parameters: dict[str, Any]) -> RequestStep:
    # The objects of an inventory are fetched by the script.
    request = connect(preprocess_request(parameters, _output("decoded")), isolated=parameters[NETWORK_ISOLATION])
    return processing_step("PreprocessImages", request, cache=CACHE)


def _split(parameters: dict[str, Any], preprocess: RequestStep) -> RequestStep:
    request = processing_request(
        "split_dataset",
        parameters,
        arguments={
            # For the report: the archive itself is no input.
            "archive-uri": parameters[INPUT_ARCHIVE_URI],
            "image-size": parameters["ImageSize"].to_string(),
            "validation-fraction": parameters["ValidationFraction"].to_string(),
            "seed": parameters["Seed"].to_string(),
        },
        inputs={"decoded": preprocess.output_uri("decoded")},
        output_uris={name: _output(name) for name in ("train", "validation", "test", "report")},
    )
    return processing_step("SplitDataset", request, cache=CACHE)


def _train(parameters: dict[str, Any], split: RequestStep, *, tuning: bool) -> tuple[RequestStep, Any, Join]:
    """The step, the URI of the model it leaves, and that of the folder where its training job left it."""
    job = training_job(
        image_uri=parameters["TrainingImageUri"],
        channels={
            **{name: split.output_uri(name) for name in ("train", "validation", "report")},
            "weights": parameters["WeightsChannelUri"],
            "engine": "${EngineLibraryUri}",
        },
        output_uri=_output("model"),
        checkpoint_uri=joined(CHECKPOINTS, ExecutionVariables.PIPELINE_EXECUTION_ID),
        instance_type=parameters["TrainingInstanceType"],
        max_runtime_seconds=parameters["MaxRuntimeSeconds"],
        max_wait_seconds=parameters.get("MaxWaitSeconds"),
    )
    flags = {"image-size": parameters["ImageSize"].to_string()}
    flags |= {
        parameter.flag: parameters[name].to_string() for name, parameter in hyperparameters(tuning=tuning).items()
    }
    if not tuning:
        request = train_request(hyperparameters=flags, tensorboard_uri=_output("tensorboard"), job=job)
        described: tuple[str, ...] = ("DescribeTrainingJobResponse",)
        step = RequestStep("TrainModel", StepTypeEnum.TRAINING, request, describes=described, retries=job_retries())
        return step, step.properties.ModelArtifacts.S3ModelArtifacts, _job_folder(step.properties.TrainingJobName)
    request = tune_request(
        hyperparameters=flags,
        job=job,
        jobs=parameters["TuningJobs"],
        parallel_jobs=parameters["TuningParallelJobs"],
        seed=parameters["Seed"],
    )
    # As the SDK's TuningStep: the jobs of the search are listed beside its description, the best first.
    described = ("DescribeHyperParameterTuningJobResponse", "ListTrainingJobsForHyperParameterTuningJobResponse")
    step = RequestStep("TrainModel", StepTypeEnum.TUNING, request, describes=described, retries=job_retries())
    folder = _job_folder(step.properties.TrainingJobSummaries[0].TrainingJobName)
    return step, _within(folder, "model.tar.gz"), folder


def _job_folder(job: Any) -> Join:
    """S3 URI of the folder of a training job's archives; the evaluation adds the registered one."""
    return joined(*_output("model").values, job, "output")


def _within(folder: Join, name: str) -> Join:
    return joined(*folder.values, name)


def _evaluate(
    parameters: dict[str, Any], model_uri: Any, folder: Join, split: RequestStep, serving: FunctionStep
) -> RequestStep:
    request = processing_request(
        "evaluate",
        parameters,
        arguments={
            **{EVALUATION[name].flag: parameters[name].to_string() for name in GATES},
            "serving-package": serving.output("ServingPackageArn"),
            "serving-comparison": parameters["ServingComparison"],
        },
        inputs={
            "model": model_uri,
            # The float32 network.
            "training": _within(folder, "output.tar.gz"),
            **{name: split.output_uri(name) for name in ("train", "validation", "test", "report")},
            "serving": serving.output("ServingModelUri"),
        },
        output_uris={METRICS.output_name: _output(METRICS.output_name), SERVED: folder},
    )
    return processing_step("EvaluateModel", request, property_files=(METRICS, CARD))


def _register(
    parameters: dict[str, Any], split: RequestStep, serving: FunctionStep, evaluate: RequestStep
) -> RequestStep:
    evaluation_uri = evaluate.output_uri(METRICS.output_name)
    served_uri = evaluate.output_uri(SERVED)
    request = register_request(
        model_uri=joined(served_uri, "served.tar.gz"),
        statistics_uri=joined(evaluation_uri, METRICS.path),
        reference_uri=joined(evaluation_uri, "reference.json"),
        card=JsonGet(step_name=evaluate.name, property_file=CARD, json_path="content"),
        metadata={
            "PipelineExecutionArn": ExecutionVariables.PIPELINE_EXECUTION_ARN,
            "InputArchiveUri": parameters[INPUT_ARCHIVE_URI],
            "DatasetReportUri": joined(split.output_uri("report"), "dataset.json"),
            "EvaluationReportUri": joined(evaluation_uri, "report.html"),
            "Backbone": parameters["Backbone"],
            "ImageSize": parameters["ImageSize"].to_string(),
            "ComparedWithPackage": serving.output("ServingPackageArn"),
        },
    )
    return register_step(request)


def build(*, spot: bool, tuning: bool) -> Pipeline:
    """The pipeline as the SDK's objects.

    Args:
        spot: train on managed spot capacity, with the parameter `MaxWaitSeconds`, instead of on demand.
        tuning: let a tuning job choose some hyperparameters, instead of training once with those of the parameters.
    """
    parameters = declare([INPUT_ARCHIVE_URI], declared(spot=spot, tuning=tuning).values())
    preprocess = _preprocess(parameters)
    split = _split(parameters, preprocess)
    train, model_uri, folder = _train(parameters, split, tuning=tuning)
    serving = find_serving_model(after=[train.name])
    evaluate = _evaluate(parameters, model_uri, folder, split, serving)
    register = _register(parameters, split, serving, evaluate)
    return assembled(
        parameters.values(),
        [preprocess, split, train, serving, evaluate, quality_gate(parameters, evaluate, register)],
    )


def compile_definition(*, spot: bool, tuning: bool) -> str:
    """The definition as committed."""
    return text_of(build(spot=spot, tuning=tuning))


def main() -> None:
    """Write the definitions beside this module."""
    compiled = {path: compile_definition(spot=spot, tuning=tuning) for (spot, tuning), path in FILES.items()}
    others = (monitoring, site_evaluation, calibration, label_calibration)
    compiled |= {other.FILE: text_of(other.build()) for other in others}
    for path, text in compiled.items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {path}\n")


if __name__ == "__main__":
    main()
