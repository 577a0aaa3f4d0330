"""An answer is told of the half of the guarantee that is about it, and of none where it is indeterminate."""

from __future__ import annotations

import pytest

from model_code.contract.guarantee import applied
from tests.model_code.support.evaluated import made_guarantee

BOTH = made_guarantee(negative_predictive_value=0.98, positive_predictive_value=0.9)


@pytest.mark.parametrize(("label", "value"), [("NORMAL", 0.98), ("PNEUMONIA", 0.9)])
def test_each_label_has_its_own_value(label, value):
    assert applied(BOTH, label, indeterminate=False) == {
        "predictive_value": value, "confidence": 0.95, "prevalence": 0.4}  # fmt: skip


def test_nothing_is_guaranteed_of_an_indeterminate_answer_an_uncovered_label_or_by_an_earlier_model():
    assert applied(BOTH, "NORMAL", indeterminate=True) is None
    assert applied(made_guarantee(positive_predictive_value=None), "PNEUMONIA", indeterminate=False) is None
    assert applied(None, "NORMAL", indeterminate=False) is None
