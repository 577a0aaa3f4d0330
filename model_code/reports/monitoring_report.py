"""report.html of MonitorModel: drift and performance, for who answers an alarm or reviews a model.

The verdict comes first and what to think of it; below it the figures it rests on, with what chance alone would give.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model_code.contract import outcomes
from model_code.contract.labels import LABELS
from model_code.monitoring import calibration_gain, drift, performance
from model_code.monitoring.drift import Quantity
from model_code.monitoring.kept_predictions import Predictions
from model_code.reports import html_page, monitoring_plots
from model_code.reports.html_page import Html, Section
from model_code.reports.model_card import INTENDED_USE, NOT_FOR
from model_code.statistics.indeterminate import PREDICTIVE_VALUES

TITLE = "Chest radiograph classifier: monitoring"
# What an alarm is called in the report, by its name in the runbook (docs/runbooks.md).
_ALARMING = {"drift": "drift", "performance-drop": "a drop in performance"}
_FIGURES = {"sensitivity": "Sensitivity", "specificity": "Specificity", "auc": "AUROC"}


def render(findings: dict[str, Any], compared: Sequence[Quantity], predictions: Predictions, *, runbook: str) -> str:
    """The report as one HTML document that loads nothing from outside itself.

    Args:
        findings: monitoring.json, complete.
        compared: the quantities that the findings are about, in their order.
        predictions: predictions of the window.
        runbook: address, or path in the repository, of the page that says what to do about each alarm.
    """
    sections = [
        Section("looked", "What was looked at", list(_looked_at(findings, predictions))),
        Section("drift", "Drift of scores and inputs", list(_drift(findings))),
    ]
    if findings["drift"]:
        sections.append(Section("distributions", "Then and now", [_distributions(findings, compared)]))
    sections += [
        Section("performance", "Performance by readers' labels", list(_performance(findings))),
        Section("trend", "Trend over runs", list(_trend(findings["trend"]))),
        Section("requests", "Refused and failed requests", list(_requests(findings["requests"]))),
        Section("meaning", "What this can and cannot tell", [_meaning()]),
        Section("use", "Intended use", [html_page.paragraph(INTENDED_USE), html_page.paragraph(NOT_FOR)]),
    ]
    window = findings["window"]
    closing = html_page.paragraph(f"Predictions from {window['from']} to {window['to']}.")
    return html_page.document(TITLE, _opening(findings, runbook), sections, closing)


def _opening(findings: dict[str, Any], runbook: str) -> Iterator[Html]:
    found, judged = findings["drift"], findings["performance"]
    alarming = [
        *(["drift"] if found and found["detected"] else []),
        *(["performance-drop"] if judged and judged["dropped"] else []),
    ]
    if found is None:
        title, result = "Nothing was compared.", "open"
    elif alarming:
        title = " and ".join(_ALARMING[subject] for subject in alarming)
        title, result = f"{title[0].upper()}{title[1:]} found.", "failed"
    else:
        title, result = "Nothing unusual found.", "passed"
    message = Html(f"<strong>{title}</strong>{html_page.text(findings['sentence'])}")
    yield html_page.paragraph(message, f"verdict {result}")
    for subject in alarming:
        yield html_page.paragraph(_what_to_do(subject, runbook, findings["endpoint"]))
    yield html_page.paragraph(findings["requests"]["sentence"])
    yield html_page.paragraph(Html(f"<strong>Intended use.</strong> {html_page.text(INTENDED_USE)}"))


def _what_to_do(subject: str, runbook: str, name: str) -> Html:
    """The runbook's section about the alarm, for readers in a browser or in a shell."""
    # Environment, endpoint and the beginning of the alarms' names are one name (infra/settings/environment.py).
    command = (
        f'aws cloudwatch describe-alarms --alarm-names {name}-{subject} --query "MetricAlarms[].AlarmDescription" '
        "--output text"
    )
    address = f"{runbook}#{subject}"
    place = html_page.link(address, address) if runbook.startswith(("https://", "http://")) else html_page.text(address)
    return Html(
        f"<strong>What to do about {html_page.text(_ALARMING[subject])}.</strong> Follow the section {subject} of the "
        f"runbook: {place}. Where alarms are on, its text is that of the alarm too: "
        f"<code>{html_page.text(command)}</code>"
    )


def _looked_at(findings: dict[str, Any], predictions: Predictions) -> Iterator[Html]:
    window, known = findings["window"], findings["reference"]
    yield html_page.table(
        "Model and predictions",
        ["", "Value"],
        [
            ["endpoint", findings["endpoint"]],
            ["model package", findings["package_arn"]],
            ["predictions", f"{findings['predictions']:,} in {window['days']} days"],
            *([["first and last of them", f"{window['first']} and {window['last']}"]] if window["first"] else []),
            ["labelled by readers", f"{findings['labelled_predictions']:,} in these days, whenever they were made"],
            ["least predictions to compare", f"{findings['min_predictions']:,}"],
            *(
                [
                    ["reference", f"{known['images']:,} validation radiographs of {known['patients']:,} patients"],
                    ["PNEUMONIA in the reference", f"{known['prevalence']:.1%}"],
                    ["dataset of the model", known["dataset_sha256"][:12]],
                ]
                if known
                else []
            ),
        ],
    )
    if known and len(predictions.probabilities):
        yield html_page.plots([monitoring_plots.by_day(predictions, known["threshold"])])


def _drift(findings: dict[str, Any]) -> Iterator[Html]:
    found = findings["drift"]
    if found is None:
        yield html_page.paragraph(findings["sentence"])
        return
    limit, level = findings["psi_limit"], findings["significance"]
    yield html_page.table(
        f"Population stability index (limit {limit:g}) and Kolmogorov-Smirnov test (level {level:g})",
        ["Quantity", "PSI", "By chance: mean, 95 % below", "KS distance", "p", "p, corrected", "Result"],
        (
            [
                row["title"],
                f"{row['psi']:.3f}",
                f"{row['psi_by_chance']['mean']:.3f}, {row['psi_by_chance']['percentile_95']:.3f}",
                f"{row['ks_statistic']:.3f}",
                _p_value(row["p_value"]),
                _p_value(row["p_adjusted"]),
                "drifted" if row["drifted"] else "no drift",
            ]
            for row in found["quantities"]
        ),
    )
    yield html_page.paragraph(
        f"A quantity has drifted when its PSI is at least {limit:g} and the corrected p is below {level:g}. The PSI is "
        "never 0 for a finite number of images: the third column is what it would be if nothing had changed. p is "
        "corrected by Holm's method for the number of quantities.",
        "quiet",
    )
    yield html_page.heading("What the quantities are")
    yield html_page.bullets(_quantities(found["features"]))
    if not found["features"]:
        yield html_page.paragraph(
            "This model answers no features of the network, so only scores and out-of-distribution scores are "
            "compared. A model trained since monitoring came answers them."
        )


def _quantities(features: int) -> Iterator[str]:
    yield (
        "Probability: the calibrated probability of PNEUMONIA, which clients were answered. It moves where more or "
        "fewer of the patients are ill, and where images look otherwise to the network."
    )
    yield (
        "Out-of-distribution score: how unlike the training radiographs an image looks, whatever it shows; above 1 it "
        "is refused. It moves with devices, exports, crops and what is imaged."
    )
    if features:
        yield (
            f"Feature 1 to {features}: numbers of the network, which are no findings of a radiograph and have no "
            "medical name. They are what the network makes of an image before it answers, along the directions in "
            "which training images differ most, in standard deviations among these: 0 is the mean there, and most lie "
            "between -2 and 2. One that moved says that the network sees these images otherwise than those of the "
            "reference. What is otherwise, the radiographs themselves have to tell."
        )


def _distributions(findings: dict[str, Any], compared: Sequence[Quantity]) -> Html:
    rows = {row["name"]: row for row in findings["drift"]["quantities"]}
    return html_page.plots(monitoring_plots.distribution(quantity, rows[quantity.name]) for quantity in compared)


def _performance(findings: dict[str, Any]) -> Iterator[Html]:
    found = findings["performance"]
    if found is None or not findings["labelled_predictions"]:
        yield html_page.paragraph(
            "No reader has labelled a prediction of this model in these days. "
            "POST /v1/predictions/{id}/feedback takes labels; drift alone does not say whether the model is worse."
        )
        return
    counts = found["labels"]
    yield html_page.paragraph(f"Readers labelled {counts['NORMAL']} as NORMAL and {counts['PNEUMONIA']} as PNEUMONIA.")
    yield from _measured_figures(found)
    if found["guaranteed"]:
        yield from _guaranteed(found["guaranteed"], findings["reference"]["guarantee"]["sentence"])
    yield html_page.paragraph(calibration_gain.sentence(findings["recalibration"]))
    if found["calibration_error"]:
        yield html_page.heading("Calibration")
        yield _calibration(found["calibration_error"], found["reliability"])


def _measured_figures(found: dict[str, Any]) -> Iterator[Html]:
    shown = {name: title for name, title in _FIGURES.items() if found[name]}
    if shown:
        yield html_page.table(
            "Now and in the evaluation on the test split: value and 95 % interval",
            ["Metric", "Now", "Evaluation", "Difference, 99 % interval", "Result"],
            (
                [title, *map(html_page.measured, (found[name], found[name]["evaluation"])), *_fall(found[name])]
                for name, title in shown.items()
            ),
        )
    if len(shown) < len(_FIGURES):
        yield html_page.paragraph(
            f"A figure needs {performance.LEAST_IMAGES} labels of each kind that it rests on; those missing have fewer."
        )


def _guaranteed(guaranteed: dict[str, Any], sentence: str) -> Iterator[Html]:
    yield html_page.table(
        "Guaranteed predictive values and the labelled answers outside the indeterminate band",
        ["Answer", "Guaranteed", "Right: value and 95 % interval", "p", "At the guarantee's prevalence", "Result"],
        (
            [
                f"{label} ({figure['images']})",
                f"at least {figure['guaranteed']:g}",
                html_page.measured(figure),
                _p_value(figure["p_value"]),
                "-" if figure["value_at_own_prevalence"] is None else f"{figure['value_at_own_prevalence']:.3f}",
                "broken" if figure["broken"] else "not broken",
            ]
            for label, name in zip(LABELS, PREDICTIVE_VALUES, strict=True)
            if (figure := guaranteed.get(name))
        ),
    )
    prevalence = next(iter(guaranteed.values()))["prevalence"]
    yield html_page.paragraph(
        f"{sentence} Of the labelled predictions {prevalence:.1%} show pneumonia. Where only this share has changed, "
        "the last figure keeps to the guarantee.",
        "quiet",
    )


def _calibration(error: dict[str, Any], reliability: list[dict[str, Any]]) -> Html:
    chance = error["by_chance"]
    return html_page.beside(
        monitoring_plots.reliability(reliability, error["value"]),
        [
            html_page.table(
                "Expected calibration error: value and 95 % interval",
                ["Now", "Evaluation"],
                [[html_page.measured(error), html_page.measured(error["evaluation"])]],
            ),
            html_page.paragraph(
                f"With perfect probabilities it would be {chance['mean']:.3f} on average on these images, and above "
                f"{chance['percentile_95']:.3f} in one of twenty samples of this size."
            ),
        ],
    )


def _trend(trend: dict[str, Any]) -> Iterator[Html]:
    runs = trend["runs"]
    yield html_page.paragraph(trend["sentence"])
    if len(runs) > 1:
        yield html_page.plots(monitoring_plots.trends(runs))
    yield html_page.table(
        "Monitoring runs, the newest first: figures with 95 % intervals",
        ["End of the window (UTC)", "Days", "Model", "Predictions", "PSI of the probability", "Largest other PSI",
         "Drift", "Predicted PNEUMONIA", "INDETERMINATE", "Sensitivity", "Specificity", "Drop in performance"],
        (
            [
                *(
                    Html(f'<span class="nowrap">{html_page.text(value)}</span>')
                    for value in (*_window(run), run["package"])
                ),
                f"{run['predictions']:,}",
                *("-" if not run[name] else f"{run[name]['value']:.3f}" for name in ("score_psi", "input_psi")),
                _yes(run["drift"]),
                *(html_page.measured(run[name], ".1%") for name in ("predicted_positive", "indeterminate")),
                *(html_page.measured(run[name]) for name in ("sensitivity", "specificity")),
                _yes(run["dropped"]),
            ]
            for run in reversed(runs)
        ),
    )  # fmt: skip
    yield html_page.paragraph(
        "Runs whose windows overlap share predictions, so neighbours are alike without meaning anything by it. A "
        "dotted line marks the first run of another model: each model is compared with its own reference, and its own "
        "threshold decides what is positive.",
        "quiet",
    )


def _window(run: dict[str, Any]) -> tuple[str, str]:
    """A run's time to the minute, and the days before it that it looked at."""
    end, begin = (dt.datetime.fromisoformat(run[name]).astimezone(dt.UTC) for name in ("at", "from"))
    return end.strftime("%Y-%m-%d %H:%M"), f"{(end - begin) / dt.timedelta(days=1):g}"


def _yes(found: bool | None) -> str:
    return "-" if found is None else "yes" if found else "no"


def _requests(requests: dict[str, Any]) -> Iterator[Html]:
    counted, api = requests["predictions"], requests["api"]
    yield html_page.paragraph(requests["sentence"])
    if counted:
        total = counted["total"]
        yield html_page.table(
            f"{total:,} requests for a prediction, the first in the hour from {counted['first']}",
            ["Outcome", "Code", "Requests", "Share"],
            (
                [title, code, f"{number:,}", f"{number / total:.1%}"]
                for title, code, number in (
                    ("answered with a prediction", "-", counted["predicted"]),
                    ("answered as before: repeated with the same Idempotency-Key", "-", counted["repeated"]),
                    *_by_number("refused", outcomes.REFUSED, counted["refused"]),
                    *_by_number("failed", outcomes.FAILED, counted["failed"]),
                )
            ),
        )
        yield html_page.paragraph(
            "Counted by the Predict function, of whichever models served, so the number of predictions may be another "
            "than above. Refused is what the request brought about, failed what the service did. Outcomes that are not "
            "in the table did not occur.",
            "quiet",
        )
    if api:
        yield html_page.paragraph(
            f"API Gateway counted {api['requests']:,} requests to all paths, {api['client_errors']:,} answered with "
            f"4xx and {api['server_errors']:,} with 5xx. Among these are requests that never reached a function: "
            "without a valid key or token, above the limits, or given up after 29 seconds."
        )
    else:
        yield html_page.paragraph(
            "What API Gateway itself turned away or gave up is not known: it has published no metric in these days."
        )


def _by_number(kind: str, titles: Mapping[str, str], counted: Mapping[str, int]) -> Iterator[tuple[str, str, int]]:
    for code, number in sorted(counted.items(), key=lambda item: -item[1]):
        yield f"{kind}: {titles[code]}", code, number


def _meaning() -> Html:
    return html_page.bullets(
        [
            "Drift says that scores or inputs are distributed otherwise than in the reference. Another mix of patients "
            "does that as well as another scanner, another export, or a fault on the way; it does not say that the "
            "model is worse.",
            "The reference has as many radiographs with PNEUMONIA as the training data. A ward where pneumonia is "
            "rarer differs from it from the first day.",
            "Readers label what they choose to. If they choose by the score, sensitivity and specificity here are not "
            "those of all predictions.",
            "A prediction names no patient. Many radiographs of one patient count as if they were independent, which "
            "makes the tests a little too eager.",
            "Images that the out-of-distribution detector refuses are not kept, so these distributions lack them; how "
            "many they are stands among the refused requests.",
            f"With a check every day, one in {1 / drift.SIGNIFICANCE:.0f} shows drift at most by chance; windows that "
            "overlap are wrong together.",
        ]
    )


def _fall(figure: dict[str, Any]) -> list[Any]:
    if "dropped" not in figure:
        return ["-", "-"]
    low, high = figure["difference_interval"]
    return [
        Html(f'<span class="nowrap">{low:+.3f} to {high:+.3f}</span>'),
        "dropped" if figure["dropped"] else "no drop",
    ]


def _p_value(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "below 0.001"
