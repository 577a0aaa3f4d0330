"""Parameters that each compiled definition declares; `contract.parameters` says what each is.

A deployment lays its settings' defaults over those of the table (`infra/training/training_pipeline.py`).
"""

from model_code.contract.parameters import DATA, EVALUATION, HYPERPARAMETERS, LIMITS, SPOT, TUNING, Parameter


def hyperparameters(*, tuning: bool) -> dict[str, Parameter]:
    """Hyperparameters that are parameters of a definition: all, or all but those that the tuning job searches."""
    return {name: parameter for name, parameter in HYPERPARAMETERS.items() if not (tuning and parameter.search)}


def declared(*, spot: bool, tuning: bool) -> dict[str, Parameter]:
    """Every parameter with a default of one of the four definitions, in the order they are declared.

    Args:
        spot: whether training uses managed spot capacity.
        tuning: whether training searches hyperparameters.
    """
    return {
        **DATA,
        **hyperparameters(tuning=tuning),
        **EVALUATION,
        **(TUNING if tuning else {}),
        **LIMITS,
        **(SPOT if spot else {}),
    }
