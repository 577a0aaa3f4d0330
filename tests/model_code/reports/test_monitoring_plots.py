"""Trends over runs are drawn with what runs have, and said in words."""

from __future__ import annotations

import re

from model_code.monitoring.trend import point
from model_code.reports import monitoring_plots
from tests.model_code.support.monitored import made_findings


def runs(count=5, **more):
    return [point(made_findings(days_ago=7 * (count - number), **more)) for number in range(count)]


def test_each_figure_is_a_plot_that_says_its_values():
    plots = {plot.title: plot for plot in monitoring_plots.trends(runs(sensitivity=0.9))}
    assert set(plots) == {"Population stability index", "Predictions", "Answers", "Against readers' labels"}
    said = plots["Population stability index"].alternative
    assert said.count("score psi 0.310, input psi 0.120") == 5
    assert "The dashed line is the limit 0.2." in said
    assert "predicted positive 0.300, indeterminate 0.100" in plots["Answers"].alternative
    assert "sensitivity 0.900" in plots["Against readers' labels"].alternative


def test_limits_and_dates_are_in_the_picture():
    first, second, *_ = monitoring_plots.trends(runs())
    for text in ("limit", "probability", "largest of the others"):
        assert text in first.svg
    assert "least to compare" in second.svg
    assert re.search(r">(Nov|Oct|\d{2})<", first.svg)


def test_what_no_run_has_is_no_plot():
    titles = [plot.title for plot in monitoring_plots.trends(runs())]
    assert "Against readers' labels" not in titles
    nothing = [point({**made_findings(days_ago=ago), "drift": None, "performance": None, "answers": None})
               for ago in (7, 0)]  # fmt: skip
    assert [plot.title for plot in monitoring_plots.trends(nothing)] == ["Predictions"]


def test_runs_of_one_moment_are_drawn_too():
    twice = [point(made_findings(days_ago=0))] * 2
    assert monitoring_plots.trends(twice)


def test_another_model_is_marked():
    alike = runs(3)
    changed = [*alike[:2], {**alike[2], "package": "cxr-dev/4"}]
    dotted = "stroke-dasharray: 1,1.65"
    before, after = (monitoring_plots.trends(one)[1].svg.count(dotted) for one in (alike, changed))
    assert after == before + 1
