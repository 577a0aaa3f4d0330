"""Dossier of a registered version: what its evidence answers of guidelines and of the AI Act, and what is open.

Everything in it is read from what was signed when the version was registered, or is how this software works. What
neither can know is named as the team's to write, and nothing is made up for it.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from lambdas.aws import package_files, statement
from model_code.contract.documents import read_dataset_card, read_evaluation
from model_code.contract.metrics import METRICS, figure, of_prevalence, of_probabilities
from model_code.contract.parameters import GATES
from ops.models.bill_of_materials import artifact
from ops.models.dossier_items import SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdas.aws.site_evaluations import SiteEvaluation
    from model_code.contract.documents import DatasetCard, Evaluation, Metadata
    from ops.models.dossier_items import Item
    from ops.models.verification import Fetched

NEEDED = (
    package_files.MODEL,
    package_files.EVALUATION,
    package_files.MODEL_CARD,
    package_files.DATASET_REPORT,
)
OPEN = "**Open, for the team to write:**"


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Documents that a dossier is made of.

    Attributes:
        package: the described model package.
        signed: members of its signed statement.
        evaluation: evaluation.json.
        card: dataset.json.
        model_card: the registered model card's content.
        sites: what site evaluations said, newest first.
    """

    package: Mapping[str, Any]
    signed: Mapping[str, str]
    metadata: Metadata
    evaluation: Evaluation
    card: DatasetCard
    model_card: Mapping[str, Any]
    sites: Sequence[SiteEvaluation]


def read(fetched: Fetched, sites: Sequence[SiteEvaluation]) -> Evidence:
    """The evidence in a version's files, those of `NEEDED`."""

    def document(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(fetched.files[name].path.read_bytes())
        return found

    metadata, _ = artifact(fetched.files[package_files.MODEL].path)
    return Evidence(
        fetched.package,
        statement.members(fetched.signed),
        metadata,
        read_evaluation(document(package_files.EVALUATION)),
        read_dataset_card(document(package_files.DATASET_REPORT)),
        json.loads(document(package_files.MODEL_CARD)["content"]),
        sites,
    )


def text(evidence: Evidence) -> str:
    """The dossier, in Markdown."""
    package, known = evidence.package, facts(evidence)
    lines = [
        f"# Dossier of version {package['ModelPackageVersion']} of {package['ModelPackageGroupName']}",
        "",
        "Decision support for research; not a medical device. Written from what was signed when the version was "
        f"registered ({evidence.signed['registration']}). {OPEN} marks what its evidence cannot know. "
        "Items are named in words of this project: hold them against the sources. It claims conformity with nothing: "
        "that is for people to judge.",
    ]
    for source in SOURCES:
        left = sum(bool(item.open) for item in source.items)
        lines += [
            "",
            f"## {source.title}",
            "",
            f"{source.link}. {len(source.items)} items, {left} with something open.",
        ]
        for item in source.items:
            lines += ["", f"### {item.number}. {item.about}", "", *_answer(item, known)]
    lines += ["", "## Change control", "", known["change_control"], "", *_plan(evidence)]
    return "\n".join(lines) + "\n"


def _answer(item: Item, known: Mapping[str, str]) -> list[str]:
    said = [f"- {known[name]}" for name in item.facts]
    return [*said, *([f"- {OPEN} {item.open}"] if item.open else [])]


def _plan(evidence: Evidence) -> list[str]:
    """A skeleton of a predetermined change control plan: what may change, by which gates."""
    rows = [
        f"| {name} | {evidence.signed.get(f'parameter {name}', 'the default of its pipeline')} |"
        for name in sorted(GATES)
    ]
    wanted = "Which parameters may change, within which bounds, how often, and who decides; the labels of new data."
    return ["| gate | value of this version's execution |", "| --- | --- |", *rows, "", f"{OPEN} {wanted}"]


def facts(evidence: Evidence) -> dict[str, str]:
    """Known facts, in sentences, by the names that items have."""
    return {**_of_data(evidence), **_of_model(evidence), **_of_figures(evidence), **_of_operation(evidence)}


def _of_data(evidence: Evidence) -> dict[str, str]:
    card = evidence.card
    audit, splits = card["audit"], card["splits"]
    dropped = ", ".join(f"{group['count']:,} {group['reason'].replace('_', ' ')}" for group in card["dropped"])
    forms = "; ".join(
        f"{label}: {', '.join(f'{count:,} {name}' for name, count in source['formats'].items())}"
        for label, source in card["sources"].items()
    )
    counted = "; ".join(
        f"{name}: {split['images']:,} images of {split['patients']:,} patients, "
        + ", ".join(f"{count:,} {label}" for label, count in split["labels"].items())
        for name, split in splits.items()
    )
    review = card.get("review")
    revisions = (
        f"Readers reviewed labels in {len(review['revisions'])} imports." if review else "No review is recorded."
    )
    return {
        "dataset": f"Archive {card['archive_uri']}; digest of labels and contents by split {card['sha256']}.",
        "sources": f"Files by label: {forms}.",
        "dropped": f"Left out: {dropped or 'nothing'}; {card['metadata_files']:,} files were no part of the data.",
        "decisions": " ".join(card["decisions"]) or "No choice had to be made.",
        "labels": f"The labels of the archive, {' and '.join(card['labels'])}, as its folders or its table give them.",
        "review": revisions,
        "preprocessing": (
            f"Decoded to grey, resized with antialiasing to {card['image_size']} x {card['image_size']} pixels without "
            "keeping the aspect ratio, scaled inside the model; one frontal radiograph is the only input."
        ),
        "deidentification": (
            "Patients are told apart by keyed hashes (HMAC), entries of archives with DICOM by numbers; metadata of "
            "images does not leave the jobs."
        ),
        "partitions": counted[0].upper() + counted[1:] + ".",
        "assignment": "By patient; the dataset card says under its choices where the archive's own splits were kept.",
        "disjoint": (
            f"Patient. Shared by splits: {audit['patients_shared']} patients, {audit['duplicates_shared']} duplicates, "
            f"{audit['near_duplicates_shared']} near-duplicates."
        ),
        "shortcuts": " ".join(shortcut["sentence"] for shortcut in card["shortcuts"])
        or "No probe for shortcuts is recorded.",
    }


def _of_model(evidence: Evidence) -> dict[str, str]:
    metadata, package, card = evidence.metadata, evidence.package, evidence.model_card
    uses, details = card["intended_uses"], card["training_details"]
    hyperparameters = metadata["training"]["hyperparameters"]
    origin = metadata["calibrated_from"]
    calibrated = (
        f"Calibrated from version {origin['version']}, with its weights." if origin else "Trained, not calibrated."
    )
    return {
        "model": (
            f"{package['ModelPackageArn']}, a convolutional network ({metadata['backbone']}); model.tar.gz has the "
            f"SHA-256 {evidence.signed[package_files.MODEL]}."
        ),
        "intended_use": f"{uses['purpose_of_model']} {uses['intended_uses']}",
        "risk": f"Rated {uses['risk_rating']}: {uses['explanations_for_risk_rating']}",
        "architecture": (
            f"{metadata['backbone']}, global average pooling, one hidden layer with dropout, one output; "
            f"{metadata['image_size']} pixels; served by {metadata['engine']}."
        ),
        "initialisation": f"Backbone weights: {metadata['backbone_weights']}.",
        "software": (
            f"{', '.join(f'{name} {version}' for name, version in metadata['versions'].items())}; container "
            f"{evidence.signed['serving container']}; `cxr bom` lists libraries."
        ),
        "source": f"Source revision {metadata['source_revision']} of this software.",
        "training": f"{details['objective_function']['notes']} {details['training_observations']}",
        "hyperparameters": ", ".join(f"{name} {value}" for name, value in hyperparameters.items()) + ".",
        "selection": "Epoch, temperature, threshold and band are chosen on validation; the test split is scored once.",
        "ensemble": "One network; there is no ensemble.",
        "calibrated": calibrated,
        "output": (
            f"Probability of {metadata['labels'][1]}; decision threshold {metadata['threshold']:.3f}; undecided from "
            f"{metadata['indeterminate']['low']:.3f} to {metadata['indeterminate']['high']:.3f}."
        ),
    }


def _of_figures(evidence: Evidence) -> dict[str, str]:
    evaluation, test = evidence.evaluation, evidence.evaluation["test"]
    groups = [f"{row['title']} ({row['images']:,} images)" for row in evaluation["subgroups"]]
    population = evaluation["population"]
    named: Mapping[str, Any] = population or {}
    meant = "; ".join(f"{name}: {', '.join(ones) or 'any'}" for name, ones in named.items())
    sites = " ".join(f"{site.verdict.replace('_', ' ')} on {site.images:,} radiographs." for site in evidence.sites)
    measured = evidence.metadata["training"]["validation"]
    return {
        "performance": f"On the test split: {'; '.join(_figures(evaluation))}.",
        "validation": "On validation: " + ", ".join(f"{name} {value:.3f}" for name, value in measured.items()) + ".",
        "intervals": f"95 %, from {test['resamples']:,} bootstrap resamples of patients.",
        "comparison": evaluation["comparison"]["sentence"],
        "gates": evaluation["gates"]["message"],
        "prevalence": f"{test['prevalence']:.1%} of the test split. Predictive values hold for "
        f"{of_prevalence(evaluation)} only; {of_probabilities(evaluation)}.",
        "subgroups": f"Figures are in the report for: {', '.join(groups) or 'no group, as the data names none'}.",
        "explainability": "Saliency maps by fitted occlusion, shown in the report; they are no proof of what is seen.",
        "external": f"Site evaluations of this version: {sites or 'none.'}",
        "failures": "test_predictions.csv beside the report names every image with its score; the report shows errors.",
        "population": f"Meant for {meant}." if population else "The training data does not say whom it is meant for.",
        "limits": evidence.model_card["additional_information"]["caveats_and_recommendations"],
    }


def _of_operation(evidence: Evidence) -> dict[str, str]:
    package = evidence.package
    return {
        "refusals": "Images unlike the training data are refused, and those without a frontal view of a chest.",
        "oversight": (
            f"A person decides about each version after its gates; this one is {package['ModelApprovalStatus']}. "
            "Answers say where they are undecided."
        ),
        "security": "Signed at registration and verified before each release; docs/threat_model.md has the rest.",
        "monitoring": "Kept predictions are compared with the evaluation where `monitoring` is on; alarms tell people.",
        "change_control": (
            "Another training, calibration or promotion is another version: it passes the same gates, is compared with "
            "what serves on the same images, is signed, and waits for a person."
        ),
    }


def _figures(evaluation: Evaluation) -> list[str]:
    said = []
    for name in METRICS:
        found = figure(evaluation, name) or {}
        if not isinstance(found.get("value"), (int, float)):
            continue
        interval = found.get("confidence_interval")
        between = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
        said.append(f"{name.replace('_', ' ')} {found['value']:.3f}{between}")
    return said
