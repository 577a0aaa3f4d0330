"""SplitDataset: what PreprocessImages' instances decoded becomes one data set, split by patient and audited.

    python -m model_code.split_dataset --archive-uri s3://bucket/datasets/<64 hex>/archive.zip \
        --image-size 220 --validation-fraction 0.1 --seed 20180222

Reads the shards and manifests in `processing/input/decoded`; writes shards to `processing/output/{train,validation,
test}`, and the dataset card (dataset.json) and the images' fingerprints to `processing/output/report`. Nothing is
decoded and TensorFlow is not imported: records are copied as they are, so the step takes seconds.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time

import numpy as np

from model_code.contract import job
from model_code.contract.labels import SPLITS
from model_code.contract.parameters import TRAINING
from model_code.data import manifest, training_images
from model_code.data.dataset_card import Choices, about_files, dataset_card
from model_code.data.decoded_checks import refuse_one_patient, refuse_unreadable
from model_code.data.leakage import audit, near_duplicates
from model_code.data.patient_split import after_review, assign, deduplicate, reviewed_labels
from model_code.data.shortcuts import probe
from model_code.data.tfrecords import copy, shard_count


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
    given = assign(
        decoded.radiographs,
        fraction=choices.validation_fraction,
        seed=choices.seed,
        near_duplicates=near_duplicates(unique, decoded.fingerprints),
    )
    assignment = after_review(given)
    for sentence in [*about_files(decoded), *assignment.decisions]:
        print(sentence, flush=True)
    audited = audit(assignment.splits, decoded.fingerprints)
    print("No patient, no content and no near-duplicate is in two splits.", flush=True)
    shortcuts = probe(assignment.splits, decoded.facts, seed=choices.seed)
    for result in shortcuts:
        print(result["sentence"], flush=True)

    rng = np.random.default_rng(choices.seed)
    for split in SPLITS:
        images = sorted(assignment.splits[split], key=lambda image: image.path)
        # Shuffled on disk too: a shuffle buffer smaller than the data then still mixes the labels.
        shuffled = [decoded.records[images[index].position] for index in rng.permutation(len(images))]
        copy(shuffled, job.processing_output(split), split, shard_count(len(images), choices.image_size))
    card = dataset_card(choices, decoded, assignment, audit=audited, shortcuts=shortcuts)
    if decoded.header.revisions:
        card["review"] = {
            "revisions": decoded.header.revisions,
            "changed": {split: reviewed_labels(given.splits[split]) for split in SPLITS},
        }
    text = json.dumps(card, indent=2, ensure_ascii=True) + "\n"
    (job.processing_output("report") / "dataset.json").write_text(text, encoding="utf-8")
    used = [image for split in SPLITS for image in assignment.splits[split]]
    training_images.write(job.processing_output("report"), used, decoded.fingerprints)
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
    if manifest.check_parameters(choices.archive_uri, choices.image_size) != "train":
        raise job.JobError(f"The archive {choices.archive_uri} was uploaded to evaluate a model, not to train one.")
    job.check(dataclasses.asdict(choices), TRAINING)
    return choices


if __name__ == "__main__":
    sys.exit(job.run(lambda: main(sys.argv[1:]), message_file="message"))
