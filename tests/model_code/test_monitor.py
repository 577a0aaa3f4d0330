"""From kept predictions to findings, a report and metrics; DynamoDB and CloudWatch are moto's, nothing is called."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
import time
from decimal import Decimal
from pathlib import Path

import boto3
import numpy as np
import pytest

from model_code import monitor
from model_code.contract.job import JobError
from model_code.monitoring import reference
from tests.model_code.support.evaluated import made_evaluation, made_scores

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/7"
OTHER = "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/6"
DAY = 86_400
RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "runbooks.md"


def arguments(package=PACKAGE, least=100, **more):
    values = {"table": "predictions", "package": package, "endpoint": "cxr-dev", "days": 7,
              "min-predictions": least, "psi-limit": 0.2, "runbook": "docs/runbooks.md",
              "reports": "s3://artifacts/monitoring", **more}  # fmt: skip
    return [part for name, value in values.items() for part in (f"--{name}", str(value))]


@pytest.fixture
def cloud(predictions):
    boto3.client("s3").create_bucket(Bucket="artifacts")


@pytest.fixture
def known(job_directory):
    """The reference of a model, in the job's input."""
    scores = made_scores(400)
    document = reference.document(scores, made_evaluation(made_scores(200, seed=2)))
    directory = job_directory / "processing" / "input" / "reference"
    directory.mkdir(parents=True)
    (directory / reference.FILE).write_text(json.dumps(document))
    return document


def keep(
    scores,
    *,
    package=PACKAGE,
    days_ago=1.0,
    shift=0.0,
    labels=None,
    features=True,
    score_name="out_of_distribution_score",
):
    """Predictions as the Predict function writes them."""
    now = int(time.time() - days_ago * DAY)
    with boto3.resource("dynamodb").Table("predictions").batch_writer() as batch:
        for number, probability in enumerate(scores.probabilities):
            item = {"id": f"{package}-{days_ago}-{number}", "package_arn": package, "answer": "{}", "created_at": now}
            item |= {
                "probability": number_of(probability),
                score_name: number_of(scores.out_of_distribution_scores[-1 - number % 300]),
            }
            item["features"] = json.dumps((scores.features[number] + shift).round(4).tolist() if features else [])
            if labels is not None:
                item |= {
                    "reader_label": ("NORMAL", "PNEUMONIA", "UNSURE")[int(labels[number])],
                    "labelled_at": int(time.time()) - 60,
                }
            batch.put_item(Item=item)


def number_of(value):
    return Decimal(f"{value:.9f}")


def results(job_directory):
    output = job_directory / "processing" / "output" / "monitoring"
    return json.loads((output / "monitoring.json").read_text()), (output / "report.html").read_text()


def metrics():
    cloudwatch = boto3.client("cloudwatch")
    found = {}
    for metric in cloudwatch.list_metrics(Namespace="ChestXray/Model")["Metrics"]:
        assert metric["Dimensions"] == [{"Name": "Endpoint", "Value": "cxr-dev"}]
        answer = cloudwatch.get_metric_statistics(
            Namespace="ChestXray/Model", MetricName=metric["MetricName"], Dimensions=metric["Dimensions"], Period=3600,
            StartTime=time.time() - 7200, EndTime=time.time() + 3600, Statistics=["Maximum"],
        )  # fmt: skip
        (found[metric["MetricName"]],) = [point["Maximum"] for point in answer["Datapoints"]]
    return found


def test_predictions_like_the_reference_are_no_drift(cloud, known, job_directory):
    keep(made_scores(300, seed=3))
    monitor.main(arguments())
    findings, page = results(job_directory)
    assert findings["predictions"] == 300
    assert findings["drift"]["detected"] is False
    assert findings["sentence"] == "No drift in 300 predictions of cxr-dev/7."
    assert "Nothing unusual found." in page
    told = metrics()
    assert (told["Drift"], told["Predictions"], told["LabelledPredictions"]) == (0, 300, 0)
    assert told["ScorePsi"] < 0.2
    assert told["FeaturePsi"] < 0.2
    assert not {"Sensitivity", "PerformanceDrop"} & set(told), "nobody has labelled anything"


def test_inputs_that_look_otherwise_are_drift_and_named(cloud, known, job_directory):
    keep(made_scores(300, seed=3), shift=1.0)
    monitor.main(arguments())
    findings, page = results(job_directory)
    drifted = [row["name"] for row in findings["drift"]["quantities"] if row["drifted"]]
    assert drifted == ["feature_1", "feature_2", "feature_3"]
    assert metrics()["Drift"] == 1
    assert "Drift found." in page
    assert page.count("<img") >= 6
    assert (
        (job_directory / "output" / "message")
        .read_text()
        .startswith("Drift in 300 predictions of cxr-dev/7: feature 1")
    )


def test_the_report_refers_to_nothing_outside_and_says_what_the_model_is_for(cloud, known, job_directory):
    keep(made_scores(300, seed=3))
    monitor.main(arguments())
    _, page = results(job_directory)
    assert "is not a medical device" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_the_report_says_when_the_first_and_the_last_prediction_was_made(cloud, known, job_directory):
    keep(made_scores(150, seed=3), days_ago=5)
    keep(made_scores(150, seed=4), days_ago=1)
    monitor.main(arguments())
    findings, page = results(job_directory)
    window = findings["window"]
    moments = [dt.datetime.fromisoformat(window[name]) for name in ("from", "first", "last", "to")]
    assert [(after - before).total_seconds() for before, after in itertools.pairwise(moments)] == pytest.approx(
        [2 * DAY, 4 * DAY, DAY], abs=30
    )
    assert f"{window['first']} and {window['last']}" in page


def test_a_window_without_predictions_has_no_first_and_no_last(cloud, known, job_directory):
    monitor.main(arguments())
    findings, page = results(job_directory)
    assert (findings["window"]["first"], findings["window"]["last"]) == (None, None)
    assert "first and last of them" not in page


@pytest.mark.parametrize("runbook", ["https://wiki.example/x-ray", "docs/runbooks.md"])
def test_each_finding_leads_to_its_section_of_the_runbook(runbook, cloud, known, job_directory):
    scores = made_scores(300, seed=3)
    keep(scores, shift=1.0, labels=1 - scores.labels)
    monitor.main(arguments(runbook=runbook))
    _, page = results(job_directory)
    sections = re.findall(r"^## (.+)$", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for subject in ("drift", "performance-drop"):
        assert subject in sections
        linked = f'<a href="{runbook}#{subject}">{runbook}#{subject}</a>'
        # A path is no address that a browser could open.
        assert (linked in page) is runbook.startswith("https")
        assert f"{runbook}#{subject}" in page
        assert f"--alarm-names cxr-dev-{subject} " in page
    assert page.index("What to do about drift.") < page.index("What was looked at")


def test_what_was_not_found_leads_nowhere(cloud, known, job_directory):
    keep(made_scores(300, seed=3), shift=1.0)
    monitor.main(arguments(runbook="https://wiki.example/x-ray"))
    _, page = results(job_directory)
    assert "x-ray#drift" in page
    assert "x-ray#performance-drop" not in page


def test_an_address_cannot_end_its_link(cloud, known, job_directory):
    keep(made_scores(300, seed=3), shift=1.0)
    monitor.main(arguments(runbook='https://wiki.example/"><script>'))
    assert "<script>" not in results(job_directory)[1]


def test_the_report_says_that_features_are_the_networks_own_numbers(cloud, known, job_directory):
    keep(made_scores(300, seed=3))
    monitor.main(arguments())
    findings, page = results(job_directory)
    count = sum(row["name"].startswith("feature_") for row in findings["drift"]["quantities"])
    assert count > 1
    assert f"Feature 1 to {count}: numbers of the network, which are no findings of a radiograph" in page


def test_too_few_predictions_are_counted_only(cloud, known, job_directory):
    keep(made_scores(80, seed=3), shift=5.0)
    monitor.main(arguments())
    findings, page = results(job_directory)
    assert findings["drift"] is None
    assert "80 predictions in 7 days are fewer than the 100" in findings["sentence"]
    assert "80 predictions in 7 days are fewer than the 100" in page
    assert metrics() == {"Predictions": 80, "LabelledPredictions": 0}


def test_other_models_and_other_weeks_do_not_count(cloud, known, job_directory):
    keep(made_scores(120, seed=3))
    keep(made_scores(50, seed=4), package=OTHER)
    keep(made_scores(50, seed=5), days_ago=8)
    monitor.main(arguments())
    assert results(job_directory)[0]["predictions"] == 120


def test_a_label_counts_when_it_was_given_whenever_the_prediction_was_made(cloud, known, job_directory):
    keep(made_scores(120, seed=3))
    older = made_scores(200, seed=4)
    keep(older, days_ago=30, labels=older.labels)
    monitor.main(arguments())
    findings, page = results(job_directory)
    assert (findings["predictions"], findings["labelled_predictions"]) == (120, 200)
    assert findings["performance"]["dropped"] is False
    told = metrics()
    assert told["PerformanceDrop"] == 0
    assert told["Sensitivity"] == pytest.approx(findings["performance"]["sensitivity"]["value"])
    assert "Reliability by readers" in page or "share that readers labelled PNEUMONIA" in page
    assert not any(findings["recalibration"]["missing"].values())
    assert "`cxr calibrate` makes a version" in page


def test_a_reader_who_was_unsure_counts_for_neither_label(cloud, known, job_directory):
    scores = made_scores(120, seed=3)
    keep(scores, labels=[2] * 120)
    monitor.main(arguments())
    assert results(job_directory)[0]["labelled_predictions"] == 0


def test_labels_that_contradict_the_model_are_a_drop(cloud, known, job_directory):
    scores = made_scores(200, seed=4)
    keep(scores, labels=1 - scores.labels)
    monitor.main(arguments())
    findings, page = results(job_directory)
    assert findings["performance"]["dropped"] is True
    assert metrics()["PerformanceDrop"] == 1
    assert "The sensitivity by readers' labels is" in findings["sentence"]
    assert "A drop in performance found." in page


def test_a_guarantee_that_readers_labels_break_is_reported(cloud, known, job_directory):
    """Of the answers NORMAL at least 90 % were to be right: readers say PNEUMONIA of half of them."""
    scores = made_scores(300, seed=4)
    normal = np.flatnonzero(scores.probabilities < known["indeterminate"]["low"])
    labels = scores.labels.copy()
    labels[normal] = np.arange(len(normal)) % 2
    keep(scores, labels=labels)
    monitor.main(arguments())
    findings, page = results(job_directory)
    found = findings["performance"]["guaranteed"]
    assert set(found) == {"negative_predictive_value"}, "nothing is guaranteed of the other answer"
    assert found["negative_predictive_value"]["broken"]
    assert found["negative_predictive_value"]["value"] == pytest.approx(0.5, abs=0.01)
    assert metrics()["PerformanceDrop"] == 1
    assert "Of the answers NORMAL a share of 0.50" in findings["sentence"]
    assert known["guarantee"]["sentence"] in page
    assert "broken" in page


def test_a_model_without_features_is_still_watched_by_its_scores(cloud, known, job_directory):
    keep(made_scores(300, seed=3), features=False)
    monitor.main(arguments())
    findings, page = results(job_directory)
    assert [row["name"] for row in findings["drift"]["quantities"]] == ["probability", "out_of_distribution_score"]
    assert "answers no features of the network" in page
    assert "numbers of the network, which" not in page


def test_predictions_kept_since_before_the_out_of_distribution_score_had_its_name_are_compared(
    cloud, known, job_directory
):
    keep(made_scores(300, seed=3), score_name="unfamiliarity")
    monitor.main(arguments())
    row = results(job_directory)[0]["drift"]["quantities"][1]
    assert (row["name"], row["drifted"]) == ("out_of_distribution_score", False)


def test_without_a_model_or_its_reference_the_job_says_so_and_succeeds(cloud, job_directory):
    # FindServingModel answers the source archive where there is no reference.
    directory = job_directory / "processing" / "input" / "reference"
    directory.mkdir(parents=True)
    (directory / f"{'a' * 64}.gz").write_bytes(b"")
    monitor.main(arguments(package="none"))
    assert results(job_directory)[0]["sentence"] == "No model serves, so there is nothing to monitor."
    keep(made_scores(120, seed=3))
    monitor.main(arguments())
    assert "cxr-dev/7 has no reference to compare with" in results(job_directory)[0]["sentence"]


def test_neither_ids_nor_values_are_printed(cloud, known, job_directory, capsys):
    keep(made_scores(120, seed=3))
    monitor.main(arguments())
    assert capsys.readouterr().out == "No drift in 120 predictions of cxr-dev/7.\n"


def test_answers_are_counted_by_threshold_and_band_and_shown(cloud, known, job_directory):
    scores = made_scores(300, seed=3)
    keep(scores)
    monitor.main(arguments())
    findings, page = results(job_directory)
    band, kept = known["indeterminate"], scores.probabilities
    assert findings["answers"]["predicted_positive"]["value"] == pytest.approx(np.mean(kept >= known["threshold"]))
    inside = (kept >= band["low"]) & (kept < band["high"])
    share = findings["answers"]["indeterminate"]
    assert share["value"] == pytest.approx(np.mean(inside))
    assert share["confidence_interval"][0] <= share["value"] <= share["confidence_interval"][1]
    assert f"{share['value']:.1%}" in page


def test_the_next_run_shows_what_this_one_left(cloud, known, job_directory):
    """As SageMaker does, the test stores the first run's output where the next one looks."""
    scores = made_scores(300, seed=3)
    keep(scores, labels=scores.labels)
    monitor.main(arguments())
    findings, page = results(job_directory)
    assert "There is no earlier run to compare with" in page
    earlier = {**findings, "window": {**findings["window"], "to": "2026-01-05T09:00:00+00:00"}}
    for run, body in (("one", json.dumps(earlier)), ("two", "{")):
        boto3.client("s3").put_object(Bucket="artifacts", Key=f"monitoring/{run}/monitoring.json", Body=body)
    monitor.main(arguments())
    findings, page = results(job_directory)
    first, second = findings["trend"]["runs"]
    assert first["at"] == "2026-01-05T09:00:00+00:00"
    ends = dict.fromkeys(("at", "from"))
    assert {**second, **ends} == {**first, **ends}
    assert "Left out, because their results could not be read: two." in page
    assert "2026-01-05 09:00" in page
    assert page.count("Lines over 2 runs.") == 4
    assert "trend" not in first, "what each run shows does not grow with their number"


def test_refused_and_failed_requests_are_in_the_report(cloud, known, job_directory):
    keep(made_scores(300, seed=3))
    for outcome, number in (("predicted", 300), ("not_a_radiograph", 12), ("model_timeout", 2)):
        dimensions = [{"Name": "Endpoint", "Value": "cxr-dev"}, {"Name": "Outcome", "Value": outcome}]
        datum = {"MetricName": "Requests", "Dimensions": dimensions, "Value": number, "Unit": "Count"}
        boto3.client("cloudwatch").put_metric_data(Namespace="ChestXray/Api", MetricData=[datum])
    monitor.main(arguments())
    findings, page = results(job_directory)
    assert findings["requests"]["sentence"] == "Of 314 requests for a prediction 12 were refused and 2 failed."
    assert page.count(findings["requests"]["sentence"]) == 2, "beside the verdict and above the table"
    assert "refused: no chest radiograph that the model knows: out of distribution" in page
    assert "failed: the model or a DICOM conversion took too long" in page
    assert "What API Gateway itself turned away or gave up is not known" in page


def test_requests_that_nobody_counted_are_not_known(cloud, known, job_directory):
    keep(made_scores(300, seed=3))
    monitor.main(arguments())
    findings, page = results(job_directory)
    assert findings["requests"]["predictions"] is None
    assert "How many requests were refused and how many failed is not known" in page


@pytest.mark.parametrize("wrong", [{"days": 0}, {"min-predictions": 0}, {"psi-limit": 0}, {"psi-limit": "nan"}])
def test_a_number_out_of_range_is_refused(wrong):
    with pytest.raises(JobError, match=r"must be"):
        monitor.parse(arguments(**wrong))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"version": 99}'])
def test_a_reference_that_is_not_understood_fails_the_job(tmp_path, text):
    (tmp_path / reference.FILE).write_text(text)
    with pytest.raises(JobError, match=r"damaged|no JSON object|of version (None|99), where 1 is understood"):
        reference.read(tmp_path)


def test_the_reference_has_only_images_that_predictions_are_kept_of(known):
    # made_scores refuses two.
    assert known["validation"]["images"] == 398
    assert max(known["validation"]["out_of_distribution_score"]) <= 1
    assert np.all(np.diff(known["validation"]["probability"]) >= 0)
