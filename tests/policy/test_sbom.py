"""The bill of materials of a deployment names what the bundles hold, once, and says what it does not know."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from policy import components
from policy.bundles import BundleError, bundle, licence_of
from policy.contexts import with_setting
from tests.infra.conftest import environment_context, synthesise_app

REPOSITORY = Path(__file__).resolve().parents[2]
LIBRARIES = REPOSITORY / ".venv" / "libraries"
REVISION = "0123456789ab", datetime(2026, 11, 29, tzinfo=UTC)
# The training image's own is used (`_OF_THE_IMAGE` in infra/training/source_code.py).
NOT_CARRIED = {("dicom-x86_64", "numpy")}

Document = dict[str, Any]


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly of prod with every setting that has a function carry libraries."""
    context = with_setting(copy.deepcopy(environment_context("prod")), "api.dicom_results")
    issuer = {"kind": "jwt", "issuer": "https://issuer.example", "audience": "cxr"}
    context["environments"]["prod"]["api"]["authentication"] = issuer
    folder = tmp_path_factory.mktemp("assembly")
    synthesise_app(context, folder, staged=True)
    return folder


@pytest.fixture(scope="session")
def text(assembly: Path) -> Callable[[], str]:
    from policy.sbom import Sbom, document

    return cache(lambda: document(Sbom(assembly, "prod").bom, REVISION))


@pytest.fixture(scope="session")
def written(text: Callable[[], str]) -> Document:
    found: Document = json.loads(text())
    return found


def of_ref(written: Document, start: str) -> dict[str, Document]:
    return {one["bom-ref"]: one for one in written["components"] if one["bom-ref"].startswith(start)}


def after(written: Document, ref: str) -> set[str]:
    (found,) = (one for one in written["dependencies"] if one["ref"] == ref)
    return set(found.get("dependsOn", []))


def said(one: Document) -> dict[str, str]:
    return {each["name"].partition(":")[2]: each["value"] for each in one.get("properties", [])}


def wheels() -> set[tuple[str, str, str]]:
    """Name, version and tags of every distribution that `make libraries` installed for AWS."""
    found = set()
    for info in LIBRARIES.glob("*/*.dist-info"):
        metadata = HeaderParser().parsestr((info / "METADATA").read_text(encoding="utf-8"))
        tags = HeaderParser().parsestr((info / "WHEEL").read_text(encoding="utf-8")).get_all("Tag", [])
        name = metadata["Name"].lower().replace("_", "-")
        if (info.parent.name, name) not in NOT_CARRIED:
            found.add((name, metadata["Version"], " ".join(sorted(tags))))
    return found


@pytest.mark.synth
def test_it_is_what_the_schema_wants_and_the_same_every_time(assembly: Path, text: Callable[[], str]) -> None:
    from policy.sbom import Sbom, document

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text()) is None
    assert document(Sbom(assembly, "prod").bom, REVISION) == text()
    assert json.loads(text())["metadata"]["timestamp"] == "2026-11-29T00:00:00+00:00"
    unversioned = document(Sbom(assembly, "prod").bom, None)
    assert "sourceRevision" not in unversioned, "outside Git nothing is made up"
    assert "timestamp" not in json.loads(unversioned)["metadata"]


@pytest.mark.synth
def test_another_content_has_another_serial_number(assembly: Path, written: Document) -> None:
    from policy.sbom import Sbom, document

    other = document(Sbom(assembly, "prod").bom, ("ba9876543210", REVISION[1]))
    assert json.loads(other)["serialNumber"] != written["serialNumber"]


@pytest.mark.synth
def test_every_function_of_the_templates_is_a_component_that_the_deployment_depends_on(
    assembly: Path, written: Document
) -> None:
    functions = {
        f"function:{path.name.removeprefix('cxr-prod-').partition('.')[0]}/{name}"
        for path in assembly.glob("*.template.json")
        for name, one in json.loads(path.read_text(encoding="utf-8"))["Resources"].items()
        if one["Type"] == "AWS::Lambda::Function"
    }
    assert {"Dicom", "DicomResult", "Predict", "Trigger"} <= {one.partition("/")[2][:-8] for one in functions}
    found = of_ref(written, "function:")
    assert found.keys() == functions
    assert all(one["hashes"] and said(one)["asset"] for one in found.values())
    assert functions <= after(written, "deployment:prod")


@pytest.mark.synth
@pytest.mark.parametrize("environment", ["dev", "laptop"])
def test_functions_that_the_cdk_brings_are_named_as_its_own(environment: str, tmp_path: Path) -> None:
    from policy.sbom import Sbom, document

    synthesise_app(environment_context(environment), tmp_path, staged=True)
    written = json.loads(document(Sbom(tmp_path, environment).bom, REVISION))
    brought = [one for one in of_ref(written, "function:").values() if not one["name"].startswith("lambdas.")]
    assert brought
    assert all(one["purl"].startswith("pkg:generic/aws-cdk-lib/") and one["hashes"] for one in brought)


@pytest.mark.synth
def test_every_vendored_distribution_is_there_once_with_hash_and_licence(written: Document) -> None:
    carried = list(of_ref(written, "pkg:pypi/").values())
    found = [(one["name"], one["version"], said(one)["wheel"]) for one in carried]
    assert sorted(found) == sorted(wheels())
    for one in carried:
        assert one["hashes"][0]["alg"] == "SHA-256"
        assert one["licenses"]
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"
        (sent,) = one["externalReferences"]
        lock = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "requirements").glob("*.txt"))
        assert sent["hashes"]
        assert all(f"--hash=sha256:{each['content']}" in lock for each in sent["hashes"])


@pytest.mark.synth
def test_a_function_depends_on_its_libraries_and_they_on_each_other(written: Document) -> None:
    (dicom,) = of_ref(written, "function:api/DicomC")
    libraries = after(written, dicom)
    assert {one.partition("@")[0] for one in libraries} == {
        f"pkg:pypi/{name}" for name in ("imagecodecs", "numpy", "pillow", "pydicom")
    }
    (codecs,) = (one for one in libraries if "imagecodecs" in one)
    assert after(written, codecs) == {one for one in libraries if "numpy" in one}
    (front,) = of_ref(written, "function:api/Front")
    assert after(written, front) == {
        "pkg:npm/dicom-parser@1.8.21",
        "pkg:npm/%40cornerstonejs/jpeg-lossless-decoder-js@2.2.1",
    }


@pytest.mark.synth
def test_what_wheels_bring_of_other_projects_is_inside_them(written: Document) -> None:
    parts = {part["name"]: part for one in of_ref(written, "pkg:pypi/pillow").values() for part in one["components"]}
    assert parts["OpenJPEG"]["version"]
    assert parts["OpenJPEG"]["licenses"]
    assert any(name.startswith("pillow.libs/libopenjp2") and part["hashes"] for name, part in parts.items())


@pytest.mark.synth
def test_the_layer_and_the_containers_are_those_that_the_templates_name(assembly: Path, written: Document) -> None:
    templates = "".join(path.read_text(encoding="utf-8") for path in assembly.glob("*.template.json"))
    layers, images = of_ref(written, "layer:"), of_ref(written, "image:")
    (layer,) = layers.values()
    assert f"{layer['name']}:{layer['version']}" in templates
    assert any(one.startswith("aws-lambda-powertools@") for one in after(written, layer["bom-ref"]))
    assert {one["name"].rpartition("/")[2] for one in images.values()} == {
        "tensorflow-training",
        "tensorflow-inference",
    }
    assert all(one["version"] in templates for one in images.values())


@pytest.mark.synth
def test_what_only_builds_is_excluded(written: Document) -> None:
    built = after(written, "toolchain")
    assert any(one.startswith("build:aws-cdk-lib@") for one in built)
    assert any(one.startswith("pkg:npm/aws-cdk@") for one in built)
    scopes = {one["bom-ref"]: one["scope"] for one in written["components"] if "scope" in one}
    assert {scopes[one] for one in built} == {"excluded"}
    assert {scopes[one] for one in after(written, "deployment:prod") - {"toolchain"}} == {"required"}


@pytest.mark.synth
def test_what_is_left_out_or_unknown_is_said(assembly: Path, written: Document) -> None:
    from policy.sbom import LEFT_OUT, Sbom, summary

    left = {one["value"] for one in written["metadata"]["properties"] if one["name"].endswith(":leftOut")}
    assert left == set(LEFT_OUT)
    lines = dict(line.split(": ", 1) for line in summary(Sbom(assembly, "prod").bom)[1:])
    unlicensed = {one["name"] for one in written["components"] if not one.get("licenses")}
    assert "tensorflow" in unlicensed
    assert all(name in lines["No licence is stated"] for name in unlicensed)
    assert "pydicom 3.0.2 (MIT License)" in lines["Licences in words, no SPDX identifier"]
    assert "tensorflow-inference" in lines["No hash is known"]


def test_a_library_without_a_licence_is_named() -> None:
    from policy.sbom import summary

    bom = Bom()
    bom.components.add(components.python_package("silent", "1.0"))
    assert "No licence is stated: silent 1.0" in summary(bom)


def test_what_the_schema_refuses_is_not_written() -> None:
    from policy.sbom import document

    bom = Bom()
    bom.components.add(Component(type=ComponentType.FILE, name="x", mime_type="no type"))
    with pytest.raises(BundleError, match="no type"):
        document(bom, REVISION)


def test_a_carried_library_that_no_lock_file_names_is_refused(tmp_path: Path) -> None:
    (found,) = bundle(wheel(tmp_path), "asset").distributions
    with pytest.raises(BundleError, match=r"own 1\.0 is carried, but no lock file names it"):
        components.vendored(found, {("own", "2.0"): ("0" * 64,)})


def test_a_file_that_is_not_the_wheel_s_is_refused(tmp_path: Path) -> None:
    folder = wheel(tmp_path)
    (folder / "own.py").write_text("changed = True\n", encoding="utf-8")
    with pytest.raises(BundleError, match=r"own\.py is not the file that own-1\.0\.dist-info lists"):
        bundle(folder, "asset")


def test_a_file_that_nobody_accounts_for_is_refused(tmp_path: Path) -> None:
    folder = wheel(tmp_path)
    (folder / "stray.py").touch()
    with pytest.raises(BundleError, match=r"stray\.py belongs to no wheel"):
        bundle(folder, "asset")


def test_a_script_that_no_package_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"own\.js is no file of a package that package-lock\.json names"):
        components.browser_library("vendor/own.js", "0" * 64, {"packages": {"": {}}}, tmp_path / "node_modules")


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License-Expression": "MIT-CMU", "License": "other"}, "MIT-CMU"),
        ({"License": "BSD-3-Clause", "Classifier": "License :: OSI Approved :: BSD License"}, "BSD-3-Clause"),
        ({"License": "LICENSE", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT License"),
        ({"License": "UNKNOWN"}, ""),
        ({"License": "All of it\n on two lines"}, ""),
        ({}, ""),
    ],
)
def test_what_spdx_knows_comes_first_and_a_text_is_no_name(fields: dict[str, str], licence: str) -> None:
    metadata = Message()
    for name, value in fields.items():
        metadata[name] = value
    assert licence_of(metadata) == licence


def wheel(folder: Path) -> Path:
    """A bundle with one distribution, as an installer leaves it."""
    files = {
        "own.py": "",
        "own-1.0.dist-info/METADATA": "Name: own\nVersion: 1.0\n",
        "own-1.0.dist-info/WHEEL": "Tag: py3-none-any\n",
    }
    rows = ["own-1.0.dist-info/RECORD,,"]
    (folder / "own-1.0.dist-info").mkdir()
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")
        rows.append(f"{name},sha256={digest},{len(content)}")
    (folder / "own-1.0.dist-info" / "RECORD").write_text("\n".join(rows), encoding="utf-8")
    return folder
