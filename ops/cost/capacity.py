"""Capacity of the API, from measured serving times and the settings: writes the tables of docs/capacity.md.

    python -m ops.cost.capacity

Rates, calls at once and costs are products of figures that docs/benchmarks measured on one machine, of cdk.json's
settings and of prices. No instance of AWS was measured.
"""

from __future__ import annotations

import math

from ops.cost import capacity_calculations as calculations
from ops.cost import capacity_facts as facts
from ops.cost.charges import HOURS_PER_MONTH
from ops.cost.generated import Page, table

ENVIRONMENTS = ("dev", "staging", "prod")


def tables() -> dict[str, str]:
    """The tables of the page by their names."""
    return {
        "rates": _rates(),
        "instances": _instances(),
        "targets": _targets(),
        "serverless": _serverless(),
        "calls at once": _calls(),
        "throttles": _throttles(),
        "cost": _cost(),
        "break-even": _even(),
        "parts": table(
            ["of a prediction", "USD a million"], ([part.what, _usd(part.usd)] for part in calculations.parts())
        ),
        "limits": _limits(),
        "quotas": table(
            ["quota", "", "source"], ([quota.what, f"{quota.value:,}", quota.source] for quota in facts.QUOTAS)
        ),
    }


PAGE = Page("docs/capacity.md", "make capacity", tables)


def _rates() -> str:
    used = {
        **{f"one radiograph, {name}": engine for name, engine in facts.ENGINES.items()},
        "Predict's own time, least": facts.PREDICT_LEAST,
        "Predict's own time, most (what is reckoned with)": facts.PREDICT_MOST,
        "conversion of a DICOM file": facts.DICOM,
        "decoding of the dearest file": facts.DEAREST,
    }
    return table(
        ["of", "measured as", "in docs/benchmarks"],
        ([of, rate.words.strip("| ").replace(" | ", ", "), rate.section] for of, rate in used.items()),
    )


def _instances() -> str:
    endpoint = facts.realtime()
    scaling, least = endpoint.scaling, endpoint.instance_count

    def row(load: facts.Load) -> list[str]:
        count = calculations.instances(load.busiest, scaling.invocations_per_minute, least)
        within = "yes" if count <= scaling.max_instances else f"`max_instances` {count}"
        busy = (
            load.busiest / count / calculations.one_after_another(engine.value) for engine in facts.ENGINES.values()
        )
        return [load.title, f"{load.busiest:.2g}", f"{count}", within, *(f"{share:.1%}" for share in busy)]

    return table(
        [
            "predictions a second",
            "at its busiest",
            "instances",
            f"within {least} to {scaling.max_instances}",
            *(f"each computing, by {name}" for name in facts.ENGINES),
        ],
        map(row, facts.LOADS),
    )


def _targets() -> str:
    own = facts.realtime().scaling.invocations_per_minute
    rows = [
        ["as set", f"{own / 60 / facts.SAFETY:.0f} assumed", f"{own:,}", f"{calculations.instances(50, own, 1)}"],
        *(
            [
                name,
                f"{calculations.one_after_another(engine.value):.1f} measured, one after another",
                f"{calculations.target(engine.value):,}",
                f"{calculations.instances(50, calculations.target(engine.value), 1)}",
            ]
            for name, engine in facts.ENGINES.items()
        ),
    ]
    return table(["", "an instance, a second", "half of it, a minute", "instances for 50 a second"], rows)


def _serverless() -> str:
    containers = facts.serverless().max_concurrency
    return table(
        [
            "predictions a second, busiest",
            f"a request may take, with {containers}",
            "containers, 0.1 s each",
            "1 s each",
        ],
        (
            [
                f"{load.busiest:.2g}",
                f"{containers / load.busiest:.3g} s",
                *(f"{math.ceil(calculations.at_once(load.busiest, seconds))}" for seconds in (0.1, 1)),
            ]
            for load in facts.LOADS
        ),
    )


def _calls() -> str:
    engine = facts.LITERT.value
    cases = {
        "JPEG, LiteRT, measured parts only": calculations.predict_seconds(engine),
        "JPEG, the graph, measured parts only": calculations.predict_seconds(facts.GRAPH.value),
        # Predict waits for the Dicom function: both count.
        "DICOM (JPEG 2000), LiteRT, both functions": calculations.predict_seconds(engine) + 2 * facts.DICOM.value,
        "each takes 1 s": 1.0,
        f"each takes the {facts.PREDICT_TIMEOUT_SECONDS} s that Predict may": float(facts.PREDICT_TIMEOUT_SECONDS),
    }

    def row(name: str) -> list[str]:
        seconds = cases[name]
        return [
            name,
            f"{seconds:.3g}",
            *(f"{round(calculations.at_once(load.busiest, seconds), 2):,g}" for load in facts.LOADS),
            f"{facts.LAMBDA_CONCURRENCY.value / seconds:,.0f} a second",
        ]

    rates = [f"{load.busiest:.2g} a second" for load in facts.LOADS]
    return table(
        ["a prediction", "seconds", *rates, f"{facts.LAMBDA_CONCURRENCY.value:,} at once above"], map(row, cases)
    )


def _throttles() -> str:
    def row(name: str) -> list[str]:
        api = facts.settings(name).api
        hours = api.requests_per_day / api.requests_per_second / 3600
        address = f"{api.firewall.requests_per_five_minutes / 300:g}" if api.firewall.enabled else "off"
        return [
            name,
            f"{api.requests_per_second}, {api.burst}",
            f"{api.stage_requests_per_second}, {api.stage_burst}",
            f"{api.requests_per_day:,} ({api.requests_per_day / 86_400:.2g} a second)",
            f"{hours:.1f} h",
            address,
        ]

    return table(
        [
            "",
            "one key: a second, burst",
            "all clients: a second, burst",
            "one key, a day",
            "used up at full rate after",
            "firewall: one address, a second",
        ],
        map(row, ENVIRONMENTS),
    )


def _cost() -> str:
    endpoint = facts.realtime()
    engine = facts.LITERT.value / 1000

    def row(load: facts.Load) -> list[str]:
        count = calculations.instances(load.busiest, endpoint.scaling.invocations_per_minute, endpoint.instance_count)
        return [
            load.title,
            f"{load.per_second * HOURS_PER_MONTH * 3600:,.0f}",
            f"{count}",
            f"{count * calculations.hourly() * HOURS_PER_MONTH:,.0f}",
            _usd(calculations.instances_usd(count, load.per_second)),
            _usd(calculations.serverless_usd(engine)),
            _usd(calculations.serverless_usd(1)),
        ]

    return table(
        [
            "predictions a second",
            "a month",
            f"instances ({calculations.priced_instance()})",
            "USD a month",
            "USD a million",
            f"serverless, {engine * 1000:g} ms each (the engine alone): USD a million",
            "serverless, 1 s each",
        ],
        map(row, facts.LOADS),
    )


def _even() -> str:
    least = facts.realtime().instance_count
    return table(
        ["a request takes, serverless", f"{least} instances cost less above", "predictions a day"],
        (
            [
                f"{seconds:g} s",
                f"{calculations.even(least, seconds):.3g} a second",
                f"{calculations.even(least, seconds) * 86_400:,.0f}",
            ]
            for seconds in (facts.LITERT.value / 1000, 0.1, 1.0)
        ),
    )


def _limits() -> str:
    def rate(value: float | None) -> str:
        return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

    return table(
        ["limit", "prod: a second", "dev: a second", "above it a client gets", "seen"],
        ([limit.what, rate(limit.prod), rate(limit.dev), limit.answer, limit.seen] for limit in calculations.limits()),
    )


def _usd(usd: float) -> str:
    return f"{usd:,.0f}" if usd >= 100 else f"{usd:.2f}"


if __name__ == "__main__":
    PAGE.write()
