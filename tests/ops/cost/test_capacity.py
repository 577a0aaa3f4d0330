"""docs/capacity.md says what its module reckons, from measured times, settings and prices; the sums by hand."""

from __future__ import annotations

import re

import botocore.session
import pytest

from ops.base.tools import REPOSITORY
from ops.cost import capacity, capacity_facts
from ops.cost import capacity_calculations as calculations

BENCHMARKS = (REPOSITORY / "docs" / "benchmarks" / "README.md").read_text(encoding="utf-8")


def test_the_machine_is_the_benchmarks() -> None:
    assert capacity_facts.MACHINE in BENCHMARKS.partition("\n## ")[0]
    page = capacity.PAGE.path.read_text(encoding="utf-8")
    assert capacity_facts.MACHINE.replace("\n", " ") in page.replace("\n", " ")


@pytest.mark.parametrize(
    ("service", "shape"), [("sagemaker-runtime", "BodyBlob"), ("sagemaker", "ServerlessMaxConcurrency")]
)
def test_quotas_are_those_of_the_service_models(service: str, shape: str) -> None:
    (quota,) = (one for one in capacity_facts.QUOTAS if one.shape == shape)
    model = botocore.session.get_session().get_service_model(service)
    assert model.shape_for(shape).metadata["max"] == quota.value


def test_instances_are_as_many_as_the_target_wants_and_never_fewer_than_the_least() -> None:
    """480 a minute are 8 a second."""
    assert [calculations.instances(rate, 480, 2) for rate in (0.02, 16, 16.1, 24, 50)] == [2, 2, 3, 3, 7]


def test_a_target_is_half_of_what_the_processors_could_do_at_most() -> None:
    assert calculations.one_after_another(10) == 100
    assert calculations.target(10) == 3_000
    assert calculations.target(capacity_facts.LITERT.value) == 2_727  # 1,000 / 11.0 x 0.5 x 60 = 2,727.3


def test_calls_at_once_are_the_rate_times_the_seconds() -> None:
    assert calculations.at_once(50, 29) == 1_450
    assert calculations.predict_seconds(11.0) == pytest.approx(0.01321)


def test_a_million_predictions_cost_the_hours_that_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two instances at 0.23 USD an hour, 1 a second: 277.8 hours of both."""
    monkeypatch.setattr(calculations, "hourly", lambda: 0.23)
    assert calculations.instances_usd(2, 1) == pytest.approx(127.78, abs=0.005)
    assert calculations.instances_usd(7, 50) == pytest.approx(8.94, abs=0.005)
    # 500 a day: 2,000 days of two instances, at 11.04 USD a day.
    assert calculations.instances_usd(2, 500 / 86_400) == pytest.approx(22_080)


def test_a_million_predictions_of_a_second_cost_a_million_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calculations, "price", lambda key: {"AmazonSageMaker/ServerlessInf:Mem-3GB": 0.00006}[key])
    monkeypatch.setattr(calculations, "hourly", lambda: 0.23)
    assert calculations.serverless_usd(1) == pytest.approx(60)
    assert calculations.serverless_usd(0.011) == pytest.approx(0.66)
    # 0.46 USD an hour buy 7,667 seconds.
    assert calculations.even(2, 1) == pytest.approx(7_666.7 / 3600, abs=0.0001)


def test_what_else_a_prediction_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calculations, "price", lambda _: 0.00001)
    usd = [part.usd for part in calculations.parts()]
    assert usd[:4] == [10, 10, pytest.approx(0.1321), 20]
    assert usd[-1] == pytest.approx(0.43 * (1769 + 1024) / 1024 * 10)


def test_prod_meets_its_limits_in_this_order() -> None:
    """The first limits that prod's clients meet are no service of AWS, but settings."""
    found = [(one.what.partition(",")[0].partition(":")[0], one.prod) for one in calculations.limits()]
    assert found[:4] == [
        ("`api.firewall.requests_per_five_minutes`", 10),
        ("`api.requests_per_day`", pytest.approx(11.574, abs=0.001)),
        ("`endpoint.instance_count`", 16),
        ("`api.requests_per_second`", 25),
    ]
    assert found[-1][1] is None  # dev has a serverless endpoint, and prod none


def test_what_is_seen_is_on_the_dashboard_and_in_the_runbook() -> None:
    dashboard = (REPOSITORY / "infra/monitoring/dashboard.py").read_text(encoding="utf-8")
    runbooks = (REPOSITORY / "docs/runbooks.md").read_text(encoding="utf-8")
    seen = " ".join(one.seen for one in calculations.limits())
    for title in set(re.findall(r"\*([^*]+)\*", seen)):
        assert f'"{title}"' in dashboard
    for alarm in set(re.findall(r"runbooks\.md#([a-z-]+)", seen)):
        assert f"\n## {alarm}\n" in runbooks


def test_an_instance_type_without_a_price_is_reckoned_at_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    from infra.settings.instance_types import vcpus

    assert vcpus(calculations.STAND_IN) == vcpus(capacity_facts.realtime().instance_type)
    with pytest.raises(LookupError, match="no price of AmazonSageMaker/Host:nothing"):
        calculations.price("AmazonSageMaker/Host:nothing")
