"""The subgroup in which the model may miss the most PNEUMONIA: what the gate about subgroups judges."""

from __future__ import annotations

from typing import Any

LEAST_IMAGES, LEAST_PATIENTS = 30, 20
"""With PNEUMONIA. Of fewer images even a sensitivity of 1 has an interval that begins below 0.89: a gate on that would
judge how many images there are."""


def find(subgroups: list[dict[str, Any]]) -> dict[str, Any]:
    """The subgroup whose sensitivity has the lowest lower end of its 95 % interval, among those with enough images.

    The intervals are not corrected for the number of subgroups: the more there are, the lower the lowest end of equally
    good ones, and the stricter the gate.

    Args:
        subgroups: the rows of the evaluation document.

    Returns:
        "title" and "pneumonia_images" (None where none has enough), "judged", the titles of those that have, and
        "sensitivity_bound", the figure that the gate compares: its "value" is the lower end. Where nothing could be
        judged it is 1, and "unjudged" says why.
    """
    judged = [
        row
        for row in subgroups
        if row["pneumonia"]["images"] >= LEAST_IMAGES and row["pneumonia"]["patients"] >= LEAST_PATIENTS
    ]
    if not judged:
        why = (
            f"no subgroup was judged, because none of the {len(subgroups)} has {LEAST_IMAGES} PNEUMONIA images of "
            f"{LEAST_PATIENTS} patients in the test split"
        )
        return {
            "title": None,
            "pneumonia_images": None,
            "judged": [],
            "sensitivity_bound": {"value": 1.0, "unjudged": why},
        }
    worst = min(judged, key=lambda row: row["true_positive_rate"]["confidence_interval"][0])
    return {
        "title": worst["title"],
        "pneumonia_images": worst["pneumonia"]["images"],
        "judged": [row["title"] for row in judged],
        "sensitivity_bound": {
            "value": worst["true_positive_rate"]["confidence_interval"][0],
            "sensitivity": worst["true_positive_rate"]["value"],
        },
    }
