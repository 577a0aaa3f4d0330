"""docs/scale.md says what its module reckons, from figures that docs/benchmarks has and limits that are AWS's."""

from __future__ import annotations

import botocore.session
import pytest

from ops.base.tools import REPOSITORY
from ops.cost import scale, scale_facts
from ops.cost.scale_facts import SERVICE_LIMITS, SPLIT, Collection

BENCHMARKS = (REPOSITORY / "docs" / "benchmarks" / "data.md").read_text(encoding="utf-8")


def test_images_and_memory_of_the_split_are_those_of_its_rows() -> None:
    for images, row, megabytes in SPLIT:
        assert row.words.startswith(f"| {images:,} | join |")
        assert row.words.endswith(f"| {megabytes} MB |")


def test_limits_of_sagemaker_are_those_of_its_service_model() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    limits = [one for one in SERVICE_LIMITS if one.shape]
    assert len(limits) == 3
    for one in limits:
        assert model.shape_for(one.shape).metadata["max"] == one.value


@pytest.mark.parametrize("kind", scale.KINDS)
def test_the_fewest_instances_keep_the_time_and_one_less_does_not(kind: str) -> None:
    for images in (5_856, 112_120, 1_000_000):
        fewest = scale.instances_within(images, kind, 3600)
        assert scale.decoding(images, fewest, kind) <= 3600
        assert fewest == 1 or scale.decoding(images, fewest - 1, kind) > 3600


def test_the_split_goes_through_what_was_measured_and_grows_on_as_it_did() -> None:
    for images, seconds, megabytes in SPLIT:
        assert scale.splitting(images) == pytest.approx((seconds.value, megabytes))
    assert scale.splitting(150_000) == pytest.approx(((21.8 + 47.2) / 2, (585 + 871) / 2))
    assert scale.splitting(10) == (5.3, 374)
    # The page of benchmarks has the same power.
    assert f"n^{scale.growth():.2f}" in BENCHMARKS
    assert scale.splitting(400_000) == pytest.approx((47.2 * 2 ** scale.growth(), 871 + 200_000 * 497 / 175_000))


def test_a_host_that_reaches_the_needed_rate_ends_in_time() -> None:
    rate = scale.needed(112_120, 7200)
    assert 112_120 * (1 + 5) / rate == pytest.approx(7200)


def test_limits_bite_one_after_the_other() -> None:
    def bitten(images: int, gb: float = 1.0) -> str:
        return "; ".join(scale.limits(Collection("made", images, gb, "a test")))

    assert bitten(600) == ""
    assert bitten(700).startswith("DICOM: no zip")
    assert bitten(700, 6.0).startswith("no zip")
    assert "ProcessingInstanceCount" in bitten(90_000)
    assert "100,000 files" not in bitten(90_000)
    assert "100,000 files" in bitten(100_001)
    disk = scale_facts.VOLUME_GB / 2 * 1e9 / scale_facts.RECORD_BYTES
    assert "VOLUME_GB" not in bitten(int(disk))
    assert "VOLUME_GB" in bitten(int(disk) + 1)
    assert "FeatureViews" in bitten(900_000)
    assert "nothing is left" not in bitten(999_999)
    assert "nothing is left" in bitten(1_000_000)
    assert "disk of 125 GB" in bitten(3_000_000)
