"""SplitDataset: what PreprocessImages' instances decoded becomes one data set, split by patient and audited.

    python -m model_code.split_dataset --archive-uri s3://bucket/datasets/<64 hex>/archive.zip \
        --image-size 220 --validation-fraction 0.1 --seed 20180222

Reads the shards and manifests in `processing/input/decoded`; writes shards to `processing/output/{train,validation,
test}` and the dataset card to `processing/output/report/dataset.json`. Nothing is decoded and TensorFlow is not
imported: records are copied as they are, so the step takes seconds.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
import time
from collections import Counter

import numpy as np

from model_code.contract import job
from model_code.contract.labels import SPLITS
from model_code.contract.parameters import TRAINING
from model_code.data import manifest
from model_code.data.dataset_card import Choices, about_files, dataset_card
from model_code.data.leakage import audit, near_duplicates
from model_code.data.manifest import Decoded
from model_code.data.patient_split import assign, deduplicate
from model_code.data.shortcuts import probe
from model_code.data.tfrecords import copy, shard_count

MAX_UNDECODABLE_SHARE = 0.05
MAX_SHARE_OF_ONE_PATIENT = 0.5


def main(arguments: list[str]) -> None:
    """Run the step.

    Raises:
        JobError: for parameters out of range, parts that make no whole, or images that cannot become a data set.
    """
    choices = parse(arguments)
    started = time.monotonic()
    decoded = manifest.read(job.processing_input("decoded"), choices.archive_uri, choices.image_size)
    refuse_unreadable(decoded)
    refuse_one_patient(decoded)
    print(f"{len(decoded.radiographs)} decoded radiographs (instances: {decoded.header.hosts})", flush=True)
    unique, _ = deduplicate(decoded.radiographs)
    assignment = assign(
        decoded.radiographs,
        fraction=choices.validation_fraction,
        seed=choices.seed,
        near_duplicates=near_duplicates(unique, decoded.fingerprints),
    )
    for sentence in [*about_files(decoded), *assignment.decisions]:
        print(sentence, flush=True)
    audited = audit(assignment.splits, decoded.fingerprints)
    print("No patient, no content and no near-duplicate is in two splits.", flush=True)
    shortcuts = probe(assignment.splits, decoded.facts, seed=choices.seed)
    for result in shortcuts:
        print(result["sentence"], flush=True)

    rng = np.random.default_rng(choices.seed)
    for split in SPLITS:
        images = sorted(assignment.splits[split], key=lambda one: one.path)
        # Shuffled on disk too: a shuffle buffer smaller than the data then still mixes the labels.
        shuffled = [decoded.records[images[index].position] for index in rng.permutation(len(images))]
        copy(shuffled, job.processing_output(split), split, shard_count(len(images), choices.image_size))
    card = dataset_card(choices, decoded, assignment, audit=audited, shortcuts=shortcuts)
    text = json.dumps(card, indent=2, ensure_ascii=True) + "\n"
    (job.processing_output("report") / "dataset.json").write_text(text, encoding="utf-8")
    counts = ", ".join(f"{split} {card['splits'][split]['images']}" for split in SPLITS)
    print(f"Wrote {counts} images of {choices.image_size} px in {time.monotonic() - started:.1f} s", flush=True)


def parse(arguments: list[str]) -> Choices:
    """Read and check the command line.

    Raises:
        JobError: for a value out of range, or an archive address that could change its content.
    """
    parser = job.ArgumentParser(prog="model_code.split_dataset")
    job.add_flags(parser, Choices)
    choices = Choices(**vars(parser.parse_args(arguments)))
    manifest.check_parameters(choices.archive_uri, choices.image_size)
    job.check(dataclasses.asdict(choices), TRAINING)
    return choices


def refuse_unreadable(decoded: Decoded) -> None:
    """Few damaged files are reported in the card; many mean that something is wrong with the archive.

    Raises:
        JobError: naming some of them.
    """
    undecodable, candidates = decoded.undecodable, decoded.header.candidates
    if len(undecodable) > MAX_UNDECODABLE_SHARE * candidates:
        named = "; ".join(f"{path}: {why}" for path, why in itertools.islice(sorted(undecodable.items()), 3))
        raise job.JobError(
            f"{len(undecodable)} of {candidates} images cannot be read (at most "
            f"{MAX_UNDECODABLE_SHARE:.0%} may be): {named}."
        )


def refuse_one_patient(decoded: Decoded) -> None:
    """De-identification often gives all files the same Patient ID: then nothing is known of who is in two splits.

    Raises:
        JobError: most DICOM files are of one patient.
    """
    patients = Counter(one.patient for one in decoded.radiographs if decoded.facts[one.sha256].format == "DICOM")
    if patients and (most := patients.most_common(1)[0][1]) > MAX_SHARE_OF_ONE_PATIENT * patients.total():
        raise job.JobError(
            f"{most} of {patients.total()} DICOM images say that they are of one patient, as after a de-identification "
            "that gives all the same Patient ID. Give each patient a number of its own, there or in a column patient "
            "of labels.csv."
        )


if __name__ == "__main__":
    sys.exit(job.run(lambda: main(sys.argv[1:]), message_file="message"))
