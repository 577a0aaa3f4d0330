"""The page of settings comes out of their models, so that no setting goes unexplained and none is explained twice."""

from __future__ import annotations

import pytest

from infra.settings import reference
from infra.settings.environment import Settings
from infra.settings.section import Section


def test_a_setting_without_a_meaning_is_named() -> None:
    class Silent(Section):
        days: int

    with pytest.raises(ValueError, match=r"^The setting buckets\.days has no meaning: write one below its field"):
        list(reference._rows(Silent, "buckets."))


def test_a_meaning_is_one_line_of_a_table() -> None:
    class Spoken(Section):
        days: int
        """Days until an
        upload is removed."""

    assert list(reference._rows(Spoken, "buckets.")) == [("buckets.days", "Days until an upload is removed.")]


def test_a_section_of_several_kinds_has_one_row_for_its_kind_and_those_of_each() -> None:
    rows = [name for name, _ in reference._rows(Settings, "") if name.startswith("endpoint.")]

    assert rows.count("endpoint.kind") == 1
    assert {"endpoint.memory_mb", "endpoint.scaling.max_instances", "endpoint.capture.percent"} <= {*rows}


def test_each_setting_stands_there_once() -> None:
    names = [name for name, _ in reference.rows()]

    assert len(names) == len({*names})
    assert not [meaning for _, meaning in reference.rows() if "|" in meaning or "\n" in meaning]
