"""The processing requests: valid for the service, closed to the network, encrypted, and able to start the scripts."""

import io
import os
import subprocess
import tarfile
import zipfile

import pytest

STEPS = ("PreprocessImages", "SplitDataset", "EvaluateModel")


@pytest.fixture(params=STEPS)
def request_of(request, definition, resolver):
    return {"ProcessingJobName": "job", **resolver(definition).arguments(request.param)}


def test_service_model_accepts_the_request(request_of, refusals):
    assert refusals("CreateProcessingJob", request_of) == ""


def test_container_has_no_network(request_of):
    # Scripts read patients' images: whatever goes wrong in a dependency, nothing leaves the container.
    assert request_of["NetworkConfig"]["EnableNetworkIsolation"] is True
    assert request_of["NetworkConfig"]["EnableInterContainerTrafficEncryption"] is True


def test_outputs_and_volume_are_encrypted_with_our_key(request_of):
    key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    assert request_of["ProcessingOutputConfig"]["KmsKeyId"] == key
    assert request_of["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] == key


def test_default_machine_has_no_local_disk(definition):
    # The service refuses VolumeKmsKeyId for instance types with one (m5d, g4dn, ...).
    family = definition.parameters["ProcessingInstanceType"]["DefaultValue"].split(".")[1]
    assert "d" not in family
    assert not family.startswith(("g", "p"))


def test_only_decoding_is_shared_among_instances(definition):
    # A second instance of the others would do the same work and write the same names.
    counts = {
        step: definition.arguments(step)["ProcessingResources"]["ClusterConfig"]["InstanceCount"] for step in STEPS
    }
    assert counts == {
        "PreprocessImages": {"Get": "Parameters.ProcessingInstanceCount"},
        "SplitDataset": 1,
        "EvaluateModel": 1,
    }


def test_every_instance_gets_the_whole_archive(definition):
    # One object cannot be sharded by key: one instance would get it, the others nothing.
    for item in definition.arguments("PreprocessImages")["ProcessingInputs"]:
        assert item["S3Input"]["S3DataDistributionType"] == "FullyReplicated"


def test_run_time_is_bounded(request_of):
    assert request_of["StoppingCondition"]["MaxRuntimeInSeconds"] == 7200


def test_inputs_and_outputs_lie_where_the_scripts_look(definition, resolver):
    def places(step):
        arguments = resolver(definition).arguments(step)
        inputs = {item["InputName"]: item["S3Input"]["LocalPath"] for item in arguments["ProcessingInputs"]}
        outputs = arguments["ProcessingOutputConfig"]["Outputs"]
        return inputs, {item["OutputName"]: item["S3Output"]["LocalPath"] for item in outputs}

    base = "/opt/ml/processing"
    assert places("PreprocessImages") == (
        {name: f"{base}/input/{name}" for name in ("code", "archive", "libraries", "patient-key")},
        {"decoded": f"{base}/output/decoded"},
    )
    assert places("SplitDataset") == (
        {name: f"{base}/input/{name}" for name in ("code", "decoded")},
        {name: f"{base}/output/{name}" for name in ("train", "validation", "test", "report")},
    )
    assert places("EvaluateModel") == (
        {
            name: f"{base}/input/{name}"
            for name in ("code", "model", "training", "train", "validation", "test", "report", "serving")
        },
        {name: f"{base}/output/{name}" for name in ("evaluation", "served")},
    )


@pytest.mark.parametrize(
    ("step", "module"),
    [("PreprocessImages", "preprocess"), ("SplitDataset", "split_dataset"), ("EvaluateModel", "evaluate")],
)
def test_entry_point_unpacks_the_source_and_starts_the_module(on_demand, resolver, tmp_path, step, module):
    """Runs the very command of the request, with a source archive whose module writes down how it was called."""
    script = b"import pathlib, sys; pathlib.Path('called').write_text('\\n'.join([__name__, *sys.argv[1:]]))"
    code = tmp_path / "processing" / "input" / "code"
    code.mkdir(parents=True)
    with tarfile.open(code / f"{'a' * 64}.gz", "w:gz") as archive:
        for name, content in ((f"model_code/{module}.py", script), ("model_code/__init__.py", b"")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

    application = resolver(on_demand).arguments(step)["AppSpecification"]
    arguments = [*application["ContainerArguments"], "--note", "two words; $HOME"]
    environment = {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(tmp_path)}
    subprocess.run([*application["ContainerEntrypoint"], *arguments], env=environment, check=True, timeout=30)

    assert (code / "called").read_text().splitlines() == ["__main__", *arguments]


@pytest.mark.parametrize("carried", [True, False])
def test_decoding_finds_the_libraries_that_it_carries_before_the_containers(carried, on_demand, resolver, tmp_path):
    inputs = tmp_path / "processing" / "input"
    (inputs / "libraries").mkdir(parents=True)
    (inputs / "code").mkdir()
    if carried:
        with zipfile.ZipFile(inputs / "libraries" / f"{'d' * 64}.zip", "w") as archive:
            archive.writestr("json/__init__.py", "name = 'carried'")
    else:  # on the laptop
        (inputs / "libraries" / f"{'a' * 64}.tar.gz").write_bytes(b"")
    script = b"import json, pathlib; pathlib.Path('found').write_text(getattr(json, 'name', 'own'))"
    with tarfile.open(inputs / "code" / f"{'a' * 64}.gz", "w:gz") as archive:
        for name, content in (("model_code/preprocess.py", script), ("model_code/__init__.py", b"")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

    entrypoint = resolver(on_demand).arguments("PreprocessImages")["AppSpecification"]["ContainerEntrypoint"]
    environment = {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(tmp_path)}
    subprocess.run(entrypoint, env=environment, check=True, timeout=30)

    assert (inputs / "code" / "found").read_text() == ("carried" if carried else "own")


def test_entry_point_fails_with_damaged_libraries(on_demand, resolver, tmp_path):
    # Decoding would go on, and fail hours later at the first DICOM file.
    inputs = tmp_path / "processing" / "input"
    for name in ("code", "libraries"):
        (inputs / name).mkdir(parents=True)
    (inputs / "libraries" / "x.zip").write_bytes(b"damaged")
    with tarfile.open(inputs / "code" / "x.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("model_code/preprocess.py"))
    entrypoint = resolver(on_demand).arguments("PreprocessImages")["AppSpecification"]["ContainerEntrypoint"]
    environment = {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(tmp_path)}
    finished = subprocess.run(entrypoint, env=environment, check=False, capture_output=True, timeout=30)
    assert finished.returncode != 0


def test_entry_point_fails_without_source(on_demand, resolver, tmp_path):
    # A job that started nothing must not count as succeeded.
    (tmp_path / "processing" / "input" / "code").mkdir(parents=True)
    entrypoint = resolver(on_demand).arguments("PreprocessImages")["AppSpecification"]["ContainerEntrypoint"]
    environment = {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(tmp_path)}
    finished = subprocess.run(entrypoint, env=environment, check=False, capture_output=True, timeout=30)
    assert finished.returncode != 0
