"""CONTRIBUTING.md names the files to edit, for an example of each kind of change whose files can be found."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
# Written by commands, about the past, or no part of what an addition has to touch.
ELSEWHERE = re.compile(
    r"((docs/)?benchmarks|tests|requirements|docs/adr)/|(CHANGELOG|CONTRIBUTING|docs/(architecture|commands|permissions))\.md$"
    r"|pipeline/definition.*\.json$|docs/deployment-roles\.json$|lambdas/site/openapi\.json$|docs/schemas/"
)


@dataclass(frozen=True)
class Example:
    """Pattern by which one addition is found, and the files that only use what it added."""

    pattern: str
    used_by: frozenset[str] = frozenset()


EXAMPLES = {
    "a backbone": Example("MobileNetV3Small"),
    "a gate": Example(
        "MinSpecificity|min_specificity",
        # A site is held to the gates that calibration can reach or cannot, which are named.
        frozenset({"model_code/contract/site_parameters.py", "model_code/evaluation/site_verdict.py"}),
    ),
    "a hyperparameter of the training loop": Example("LabelSmoothing|label_smoothing"),
    "a hyperparameter of the classifier": Example(
        r"(?<!layers\.)\bDropout\b|\bdropout: float|\.dropout\b",
        # The architecture in words.
        frozenset({"docs/model_card.md"}),
    ),
    # The laptop's environment has another default.
    "a hyperparameter of the augmentation": Example("ContrastRange|contrast_range", frozenset({"cdk.json"})),
    "a field of the API's answer, of the container": Example(
        "served_sha256",
        frozenset(
            {
                # What `GET /v1/model` has by the same name was signed, and is another digest.
                *("lambdas/api/documents.py", "lambdas/api/model.py", "openapi/examples.py"),
                # What keeps it with a prediction, and tells whose answer readers labelled.
                *("lambdas/predict/results.py", "model_code/monitoring/reader_labels.py"),
                *("model_code/calibrate_labels.py", "model_code/evaluation/scoring.py"),
                # What compares it, what shows it to people or puts it into results in DICOM, and pages with an answer.
                *("lambdas/release/endpoint.py", "lambdas/site/static/words.js", "ops/api/predictions.py"),
                *("lambdas/dicom_result/handler.py", "dicom_results/report.py", "dicom_results/result.py"),
                *("ops/pacs/results.py", "docs/api.md", "docs/pacs.md"),
            }
        ),
    ),
    "a field of the API's answer, of a DICOM file": Example(
        "body_part",
        # What shows it to people, and training, which reads such files too.
        frozenset(
            {
                "model_code/data/dicom_images.py",
                *("lambdas/site/static/table.js", "lambdas/site/static/words.js"),
                *("ops/answers/clients.py", "ops/api/predictions.py", "ops/commands/overview.py"),
            }
        ),
    ),
    "a field of `GET /v1/model`": Example("registered_at"),
    "a setting of a function": Example(
        "keep_labelled_days|KEEP_LABELLED_DAYS",
        # A rule about two settings, and the pages that tell clients and platform teams.
        frozenset({"infra/settings/api.py", "docs/adoption.md", "docs/api.md", "docs/external_validation.md"}),
    ),
    "a setting of the Predict function": Example(
        r"\bkeep_days|KEEP_DAYS",
        # Another setting that has to fit it, and those pages.
        frozenset({"infra/settings/environment.py", "infra/settings/pipelines.py", "docs/adoption.md", "docs/api.md"}),
    ),
    "a limit of archives": Example(
        r"\bmax_files\b|MAX_FILES",
        # The memory that follows from it, what the largest archive costs, and the page with the reasons of refusals.
        frozenset({"infra/training/training_stack.py", "ops/cost/scale_facts.py", "docs/datasets.md"}),
    ),
    "a function behind the API": Example(
        r"\b[Ff]eedback\b",
        frozenset(
            {
                # The page that asks it, what reads its labels, and pages that mention it.
                *(f"lambdas/site/static/{name}" for name in ("index.html", "api.js", "page.js", "reading.js")),
                "lambdas/api/predictions.py",
                *("model_code/monitoring/kept_predictions.py", "model_code/reports/monitoring_report.py"),
                *("model_code/calibrate_labels.py", "ops/commands/evaluation.py"),
                *("lambdas/authorizer/environment.py", "openapi/document.py", "infra/settings/api.py"),
                *("docs/clients.md", "docs/external_validation.md", "docs/operations.md"),
                *("docs/runbooks.md", "docs/settings.md"),
            }
        ),
    ),
    "an action of a function's role": Example(r"\bUpdateItem\b"),
    "a header of every answer": Example("Referrer-Policy"),
    "a form of results, beside DICOM": Example(
        "fhir|FHIR",
        # Docstrings, the group of its library's dependencies, and the page for archives.
        frozenset(
            {
                *("dicom_results/__init__.py", "infra/settings/api.py", "lambdas/predict/prediction.py"),
                *("lambdas/predict/dicom_result.py", "docs/pacs.md", "pyproject.toml"),
            }
        ),
    ),
}


def rows() -> dict[str, tuple[str, list[str]]]:
    """The table: what is added, the example's name, the files."""
    page = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page[page.index("| to add |") :].split("\n\n")[0].splitlines()[2:]
    cells = ([cell.strip() for cell in row.strip("|").split("|")] for row in table)
    return {kind: (example.strip("`"), re.findall(r"`([^`]+)`", files)) for kind, example, files in cells}


def files_with(pattern: str) -> set[str]:
    """Files edited by hand, of the working tree, in which a pattern occurs."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    files = (REPOSITORY / name for name in listed if not ELSEWHERE.match(name))
    found = (
        path for path in files if path.is_file() and re.search(pattern, by_hand(path.read_text("utf-8", "replace")))
    )
    return {path.relative_to(REPOSITORY).as_posix() for path in found}


def by_hand(text: str) -> str:
    """A page without the tables that commands write into it."""
    return re.sub(r"<!-- ([\w ]+): written.*?<!-- end of \1 -->", "", text, flags=re.DOTALL)


def test_each_kind_of_addition_has_its_example() -> None:
    assert rows().keys() == EXAMPLES.keys()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_files_to_touch_are_those_that_the_example_is_in(kind: str) -> None:
    name, files = rows()[kind]
    example = EXAMPLES[kind]

    assert re.search(example.pattern, name), "the table names another example"
    assert len(files) == len(set(files))
    found = files_with(example.pattern)
    assert example.used_by <= found, "these do not use it any more"
    assert set(files) == found - example.used_by
