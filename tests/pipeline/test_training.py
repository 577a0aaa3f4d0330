"""The training request: valid for the service, in script mode as the toolkit in the image understands it."""

import re

import pytest


@pytest.fixture
def train(definition, resolver):
    return {"TrainingJobName": "job", **resolver(definition).arguments("TrainModel")}


def test_service_model_accepts_the_request(train, refusals):
    assert refusals("CreateTrainingJob", train) == ""


def test_waiting_time_is_given_with_spot_and_only_with_it(train):
    # CreateTrainingJob refuses one without the other.
    assert ("MaxWaitTimeInSeconds" in train["StoppingCondition"]) == train.get("EnableManagedSpotTraining", False)


def test_toolkit_runs_the_script_as_a_program(train):
    # Not ending in .py, it would be run by a shell; with a leading folder it is still resolved below /opt/ml/code.
    hyperparameters = train["HyperParameters"]
    assert hyperparameters["sagemaker_program"] == "model_code/train.py"
    # The toolkit opens the download as a gzipped tar.
    assert re.fullmatch(r"s3://\S+\.gz", hyperparameters["sagemaker_submit_directory"])


def test_hyperparameters_become_the_flags_of_the_script(train):
    flags = {name: value for name, value in train["HyperParameters"].items() if not name.startswith("sagemaker_")}
    assert flags == {
        "image-size": "220",
        "epochs": "5",
        "fine-tune-epochs": "5",
        "learning-rate": "0.001",
        "fine-tune-learning-rate": "0.0001",
        "batch-size": "64",
        "backbone-weights": "imagenet",
        "seed": "20180222",
    }


def test_channels_are_the_splits_and_the_dataset_report(train):
    # The test split is no channel: training must not be able to look at it.
    channels = {item["ChannelName"]: item["DataSource"]["S3DataSource"]["S3Uri"] for item in train["InputDataConfig"]}
    assert channels == {
        name: f"s3://artifacts/executions/abcdef012345/{name}" for name in ("train", "validation", "report")
    }


def test_default_machine_gets_no_volume_key(train):
    # ml.g4dn has local disks, for which the service refuses a key.
    assert train["ResourceConfig"]["InstanceType"] == "ml.g4dn.xlarge"
    assert "VolumeKmsKeyId" not in train["ResourceConfig"]
    # ... and a volume larger than its 125 GB disk.
    assert train["ResourceConfig"]["VolumeSizeInGB"] <= 125


def test_artifacts_are_encrypted_with_our_key(train):
    assert train["OutputDataConfig"]["KmsKeyId"].startswith("arn:aws:kms:")


def test_toolkit_can_fetch_the_source(train):
    # Script mode downloads it inside the container, which network isolation would prevent.
    assert train["EnableNetworkIsolation"] is False


@pytest.mark.parametrize(
    ("line", "metrics"),
    [
        (
            "epoch=3 loss=0.1234 val_loss=0.5678 val_auc=0.9876",
            {"train:loss": "0.1234", "validation:loss": "0.5678", "validation:auc": "0.9876"},
        ),
        (
            "epoch=12 loss=3.2e-05 val_loss=1 val_auc=1.0",
            {"train:loss": "3.2e-05", "validation:loss": "1", "validation:auc": "1.0"},
        ),
        ("Downloading the weights: loss of connection, trying again", {}),
    ],
)
def test_metrics_are_read_from_the_log_line_of_an_epoch(train, line, metrics):
    found = {}
    for definition in train["AlgorithmSpecification"]["MetricDefinitions"]:
        if matches := re.findall(definition["Regex"], line):
            (found[definition["Name"]],) = matches
    assert found == metrics
