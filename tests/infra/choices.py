"""Combinations of region, environment and settings that are deployable, and a few that show every pair of choices."""

from __future__ import annotations

import copy
import dataclasses
from itertools import combinations, product
from typing import Any

from tests.infra.conftest import environment_context

REGIONS = ("us-east-1", "eu-central-1", "il-central-1", "cn-north-1")
CPU, GPU = "ml.c6i.xlarge", "ml.g4dn.xlarge"


@dataclasses.dataclass(frozen=True)
class Choice:
    """An environment in a region, and what its settings choose."""

    region: str
    environment: str
    vpc: bool
    retain: bool
    gpu: bool

    def __str__(self) -> str:
        chosen = [name for name in ("vpc", "retain", "gpu") if getattr(self, name)]
        return "-".join([self.region, self.environment, *chosen])

    @property
    def is_possible(self) -> bool:
        """A serverless endpoint has neither network nor GPU, and prod retains."""
        if self.environment == "dev":
            return not (self.vpc or self.gpu)
        return self.retain or self.environment != "prod"

    def context(self) -> dict[str, Any]:
        context = copy.deepcopy(environment_context(self.environment))
        context["shared"]["region"] = self.region
        own = context["environments"][self.environment]
        own["retain"] = self.retain
        if self.region.startswith("cn-"):
            # Neither is there.
            own |= {"tracing": False, "endpoint": context["environments"]["prod"]["endpoint"]}
        if self.vpc:
            own |= {"network": {"vpc": True}, "pipeline": {"weights_file": "weights.h5"}}
        if self.environment != "dev":
            kind = GPU if self.gpu else CPU
            for section in ("endpoint", "asynchronous", "batch"):
                own[section] = {**own.get(section, {}), "instance_type": kind}
            if self.gpu:
                own["pipeline"] = {**own.get("pipeline", {}), "serving_engine": "tensorflow"}
        return context


ALL = [
    choice
    for values in product(REGIONS, ("dev", "staging", "prod"), *[(False, True)] * 3)
    if (choice := Choice(*values)).is_possible  # type: ignore[arg-type]
]
# As few as show every pair: four regions times three environments.
SOME = [
    Choice("us-east-1", "dev", vpc=False, retain=False, gpu=False),
    Choice("us-east-1", "staging", vpc=True, retain=True, gpu=True),
    Choice("us-east-1", "prod", vpc=False, retain=True, gpu=False),
    Choice("eu-central-1", "dev", vpc=False, retain=True, gpu=False),
    Choice("eu-central-1", "staging", vpc=True, retain=False, gpu=True),
    Choice("eu-central-1", "prod", vpc=False, retain=True, gpu=False),
    Choice("il-central-1", "dev", vpc=False, retain=False, gpu=False),
    Choice("il-central-1", "staging", vpc=False, retain=False, gpu=True),
    Choice("il-central-1", "prod", vpc=True, retain=True, gpu=False),
    Choice("cn-north-1", "dev", vpc=False, retain=False, gpu=False),
    Choice("cn-north-1", "staging", vpc=True, retain=False, gpu=False),
    Choice("cn-north-1", "prod", vpc=False, retain=True, gpu=True),
]


def pairs(choices: list[Choice]) -> set[frozenset[tuple[str, Any]]]:
    """Every two choices that are made together, as fields with their values."""
    names = [field.name for field in dataclasses.fields(Choice)]
    return {
        frozenset({(one, getattr(choice, one)), (other, getattr(choice, other))})
        for choice in choices
        for one, other in combinations(names, 2)
    }
