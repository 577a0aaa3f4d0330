"""Part of a model's guarantee that is about one answer."""

from __future__ import annotations

from model_code.contract.documents import AppliedGuarantee, Guarantee
from model_code.contract.labels import PNEUMONIA


def applied(guarantee: Guarantee | None, label: str, *, indeterminate: bool) -> AppliedGuarantee | None:
    """Guarantee of one answer; None where nothing is guaranteed, as of every indeterminate one.

    Args:
        guarantee: of the model that answered.
        label: NORMAL or PNEUMONIA.
        indeterminate: whether its probability lies in the band.
    """
    if guarantee is None or indeterminate:
        return None
    value = guarantee["positive_predictive_value" if label == PNEUMONIA else "negative_predictive_value"]
    if value is None:
        return None
    return {"predictive_value": value, "confidence": guarantee["confidence"], "prevalence": guarantee["prevalence"]}
