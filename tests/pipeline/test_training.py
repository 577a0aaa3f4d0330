"""The training request: valid for the service, in script mode as the toolkit in the image understands it."""

import re

import pytest


@pytest.fixture(params=["on-demand", "spot"])
def train(request, committed, resolver):
    return {"TrainingJobName": "job", **resolver(committed[request.param]).arguments("TrainModel")}


@pytest.fixture
def job(definition, resolver):
    """Common part of the training job, or of each of the jobs of a tuning job."""
    arguments = resolver(definition).arguments("TrainModel")
    return arguments.get("TrainingJobDefinition", arguments)


def test_service_model_accepts_the_request(train, refusals):
    assert refusals("CreateTrainingJob", train) == ""


def test_waiting_time_is_given_with_spot_and_only_with_it(job):
    # CreateTrainingJob refuses one without the other.
    assert ("MaxWaitTimeInSeconds" in job["StoppingCondition"]) == job.get("EnableManagedSpotTraining", False)


def test_toolkit_runs_the_script_as_a_program(job):
    # Not ending in .py, it would be run by a shell; with a leading folder it is still resolved below /opt/ml/code.
    hyperparameters = job.get("StaticHyperParameters", job.get("HyperParameters"))
    assert hyperparameters["sagemaker_program"] == "model_code/train.py"
    # The toolkit opens the download as a gzipped tar.
    assert re.fullmatch(r"s3://\S+\.gz", hyperparameters["sagemaker_submit_directory"])


def test_hyperparameters_become_the_flags_of_the_script(train):
    flags = {name: value for name, value in train["HyperParameters"].items() if not name.startswith("sagemaker_")}
    assert flags == {
        "image-size": "220",
        "backbone": "ResNet50V2",
        "backbone-weights": "imagenet",
        "warm-start-from": "none",
        "epochs": "5",
        "fine-tune-epochs": "5",
        "learning-rate": "0.001",
        "fine-tune-learning-rate": "0.0001",
        "fine-tune-from": "last-stage",
        "patience": "5",
        "batch-size": "64",
        "dropout": "0.5",
        "label-smoothing": "0.0",
        "class-weights": "balanced",
        "ema-momentum": "0.0",
        "feature-views": "1",
        "horizontal-flip": "0.5",
        "zoom-range": "0.3",
        "rotation-degrees": "5.0",
        "shift-range": "0.05",
        "contrast-range": "0.1",
        "precision": "auto",
        "xla": "off",
        "serving-engine": "litert",
        "guaranteed-npv": "0.95",
        "target-prevalence": "0.0",
        "guaranteed-ppv": "0.95",
        "seed": "20180222",
    }


def test_channels_are_the_splits_the_dataset_report_weights_that_may_be_absent_and_libraries(job):
    # The test split is no channel: training must not be able to look at it.
    channels = {item["ChannelName"]: item["DataSource"]["S3DataSource"]["S3Uri"] for item in job["InputDataConfig"]}
    assert channels == {
        **{name: f"s3://artifacts/executions/abcdef012345/{name}" for name in ("train", "validation", "report")},
        "weights": f"s3://cdk-assets/{'a' * 64}.gz",  # a channel cannot be empty: an object that holds no weights
        "engine": f"s3://cdk-assets/{'e' * 64}.zip",
    }


def test_default_machine_gets_no_volume_key(job):
    # ml.g4dn has local disks, for which the service refuses a key.
    assert job["ResourceConfig"]["InstanceType"] == "ml.g4dn.xlarge"
    assert "VolumeKmsKeyId" not in job["ResourceConfig"]
    # ... and a volume larger than its 125 GB disk.
    assert job["ResourceConfig"]["VolumeSizeInGB"] <= 125


def test_artifacts_are_encrypted_with_our_key(job):
    assert job["OutputDataConfig"]["KmsKeyId"].startswith("arn:aws:kms:")


def test_toolkit_can_fetch_the_source(job):
    # Script mode downloads it inside the container, which network isolation would prevent.
    assert job["EnableNetworkIsolation"] is False


def test_a_job_that_is_tried_again_finds_its_checkpoints(job, definition):
    # The prefix is the execution's, not the job's: a retry is another job of the same execution.
    assert job["CheckpointConfig"] == {
        "S3Uri": "s3://artifacts/checkpoints/abcdef012345",
        "LocalPath": "/opt/ml/checkpoints",
    }
    retried = [error for policy in definition.steps["TrainModel"]["RetryPolicies"] for error in policy["ExceptionType"]]
    assert "SageMaker.JOB_INTERNAL_ERROR" in retried


def test_tensorboard_events_are_kept(train):
    assert train["TensorBoardOutputConfig"] == {
        "S3OutputPath": "s3://artifacts/executions/abcdef012345/tensorboard",
        "LocalPath": "/opt/ml/output/tensorboard",
    }


@pytest.mark.parametrize(
    ("line", "metrics"),
    [
        (
            "epoch=3 phase=head loss=0.1234 val_loss=0.5678 val_auc=0.9876",
            {"train:loss": "0.1234", "validation:loss": "0.5678", "validation:auc": "0.9876"},
        ),
        (
            "epoch=12 phase=fine-tune loss=3.2e-05 val_loss=1 val_auc=1.0",
            {"train:loss": "3.2e-05", "validation:loss": "1", "validation:auc": "1.0"},
        ),
        ("best_val_auc=0.9912", {"validation:best_auc": "0.9912"}),
        ("Downloading the weights: loss of connection, trying again", {}),
    ],
)
def test_metrics_are_read_from_the_lines_of_the_log(job, line, metrics):
    found = {}
    for definition in job["AlgorithmSpecification"]["MetricDefinitions"]:
        if matches := re.findall(definition["Regex"], line):
            (found[definition["Name"]],) = matches
    assert found == metrics
