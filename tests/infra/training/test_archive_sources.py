"""Objects that an inventory may list: versions below one folder of the data bucket, and in folders of the settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.settings.environment import Settings
from infra.settings.section import SettingsError
from tests.infra.conftest import ENVIRONMENTS, of_type
from tests.infra.training.test_training_stack import Templates, defaults, definition


def test_decoding_reads_versions_in_the_folders_that_are_named_and_nowhere_else(
    context: dict[str, Any], synthesise: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """An inventory may name any bucket; whose objects are read is for the settings to say."""
    key = "arn:aws:kms:eu-central-1:210987654321:key/0f"
    sources = [{"uri": "s3://radiology/chest/", "key_arn": key}, {"uri": "s3://open-data/"}]
    context["shared"]["archive"]["sources"] = sources
    templates = synthesise(context)
    template = templates["training"]
    statements = [
        statement
        for name, one in of_type(template, "AWS::IAM::Policy").items()
        if name.startswith("DecodeRole")
        for statement in one["Properties"]["PolicyDocument"]["Statement"]
    ]
    versions = [one for one in statements if one["Action"] == "s3:GetObjectVersion"]
    (resources,) = (one["Resource"] for one in versions)
    read = {one if isinstance(one, str) else one["Fn::Join"][1][-1] for one in resources}
    assert {one.rpartition(":::")[2] for one in read} == {"/radiographs/*", "radiology/chest/*", "open-data/*"}
    (decrypt,) = (one for one in statements if one["Resource"] == key)
    assert decrypt["Action"] == "kms:Decrypt"
    assert "s3.eu-central-1." in json.dumps(decrypt["Condition"]["StringEquals"]["kms:ViaService"])
    told = json.dumps(templates["data"]["Outputs"]["ArchiveSources"]["Value"])
    assert "/radiographs/ s3://radiology/chest/ s3://open-data/" in told


@pytest.mark.parametrize("uri", ["s3://radiology/chest", "s3://radiology/*/", "radiology/chest/", "s3://radiology"])
def test_a_source_is_a_folder(uri: str, context: dict[str, Any]) -> None:
    """Of `s3://radiology/chest` the folder chest-of-others/ would be a part too."""
    context["shared"]["archive"]["sources"] = [{"uri": uri}]
    with pytest.raises(SettingsError, match=r"archive\.sources\.0\.uri"):
        Settings.load(context)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_only_decoding_may_be_started_with_a_network(environment: str, templates: Templates) -> None:
    body, _ = definition(templates(environment)["training"])
    assert defaults(body)["NetworkIsolation"] is True
    isolation = {
        step["Name"]: step["Arguments"]["NetworkConfig"]["EnableNetworkIsolation"]
        for step in body["Steps"]
        if step["Type"] == "Processing"
    }
    asked = {"Get": "Parameters.NetworkIsolation"}
    assert isolation == {"PreprocessImages": asked, "SplitDataset": True, "EvaluateModel": True}
