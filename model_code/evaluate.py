"""EvaluateModel: the exported model scores the test split once; metrics, gates, report, card and reference come out.

    python -m model_code.evaluate --min-auroc 0.9 --min-sensitivity 0.85 --min-specificity 0.7 \
        --max-calibration-error 0.1 --min-subgroup-sensitivity 0.7 --serving-package none --serving-comparison gate

Reads `processing/input/{model,training,train,validation,test,report}` and, where a model is serving, its model.tar.gz
in `processing/input/serving`; writes evaluation.json, report.html, model_card.json, the scores of every image
(test_predictions.csv, validation_predictions.csv), the images ranked by how suspect their labels are
(suspect_labels.csv) and reference.json, with which monitoring compares the model's predictions once it serves, to
`processing/output/evaluation`, and what is registered, served.tar.gz, to `processing/output/served`. What is scored
is what that archive answers when it is served, by the engine that computes it; where that is not TensorFlow, it is
held against the float32 network in the training's output.tar.gz. Where it fails a gate and other weights of the same
network travel in model.tar.gz, those are judged, and serve if they pass. A model that fails its gates is a result,
not an error: the exit status is 0, the pipeline's condition decides, and the sentences that name the failed gates are
the job's exit message.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from model_code.contract import job
from model_code.contract.labels import SPLITS
from model_code.contract.parameters import EVALUATION
from model_code.data.dataset_card import read_card
from model_code.evaluation import assessment, served_archive, suspect_labels
from model_code.evaluation.evaluator import Evaluator, Settings, print_figures
from model_code.evaluation.scoring import ExportedModel
from model_code.evaluation.suspect_labels import SuspectLabels
from model_code.reports import evaluation_files, saliency_pictures, suspects_report


def main(arguments: list[str]) -> None:
    """Run the step.

    Raises:
        JobError: for parameters out of range, missing inputs, or a model that was made for other images.
    """
    settings = parse(arguments)
    card = read_card(job.processing_input("report"))
    test, size = job.processing_input("test"), int(card["image_size"])
    with tempfile.TemporaryDirectory() as directory:
        model = ExportedModel(job.only_file(job.processing_input("model"), "*.tar.gz"), Path(directory, "candidate"))
        if model.dataset != card["sha256"]:
            raise job.JobError(
                f"The model was trained on dataset {model.dataset[:12]} and the test split is of dataset "
                f"{card['sha256'][:12]}: their splits may overlap, so the result would not count."
            )
        evaluator = Evaluator(settings, model, test, size, Path(directory))
        result = evaluator.evaluate()
        while not result.evaluation["gates"]["passed"] and model.has_fallback:
            result = evaluator.evaluate_fallback(result)
        usual = model.score(job.processing_input("validation"), size)
        shown = saliency_pictures.collect(model, result.scores, result.attention, test, seed=assessment.BOOTSTRAP_SEED)
        splits = {split: job.processing_input(split) for split in SPLITS}
        suspects = _suspects(splits, size)
        doubted = suspects_report.section(suspects, saliency_pictures.suspects(model, suspects, splits))
        model.write_served(job.processing_output("served") / served_archive.FILE)
    output = job.processing_output("evaluation")
    evaluation_files.write(output, result, model.metadata, card, usual=usual, gallery=shown, doubted=doubted)
    if suspects:
        suspects.write(output)
    print_figures(result.evaluation)


def _suspects(splits: dict[str, Path], size: int) -> SuspectLabels | None:
    started = time.monotonic()
    found = suspect_labels.rank(suspect_labels.read(splits, size))
    if found is None:
        print("Suspect labels are not ranked: a label has too few patients.", flush=True)
        return None
    print(
        f"Ranked {len(found.scores)} images by how suspect their labels are in {time.monotonic() - started:.1f} s: "
        f"{found.doubted} have the less probable label.",
        flush=True,
    )
    return found


def parse(arguments: list[str]) -> Settings:
    """Read and check the command line.

    Raises:
        JobError: for a limit that is no number from 0 to 1.
    """
    parser = job.ArgumentParser(prog="model_code.evaluate")
    Settings.add_flags(parser)
    given = vars(parser.parse_args(arguments))
    job.check(given, EVALUATION)
    return Settings.of(given)


if __name__ == "__main__":
    sys.exit(job.run(lambda: main(sys.argv[1:]), message_file="message"))
