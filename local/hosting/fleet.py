"""The serving processes of one endpoint configuration, and the requests they are busy with."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.core.api import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.containers.container import Container

# A request is given up after this long ("Amazon SageMaker endpoints and quotas"), so draining ends with it.
DRAIN_SECONDS = 60


@dataclass(frozen=True)
class Variant:
    """A production or shadow variant: its part of the endpoint configuration of that name, and its process."""

    settings: Mapping[str, Any]
    container: Container
    config_name: str

    @property
    def name(self) -> str:
        """The variant's name."""
        return str(self.settings["VariantName"])

    @property
    def weight(self) -> float:
        """Variant weight: share of the traffic in relation to the other variants'."""
        return float(self.settings.get("InitialVariantWeight", 1.0))


class Fleet:
    """The processes of one endpoint configuration, and how many requests they are busy with.

    Args:
        config: the endpoint configuration as it is described.
        variants: production variants, which answer.
        shadows: shadow variants, which get copies of requests and answer nobody.
    """

    def __init__(self, config: Mapping[str, Any], variants: list[Variant], shadows: list[Variant]) -> None:
        self.config = config
        self.variants = variants
        self.shadows = shadows
        self._busy = 0
        self._idle = threading.Condition()

    @property
    def config_name(self) -> str:
        """Name of the endpoint configuration."""
        return str(self.config["EndpointConfigName"])

    def enter(self) -> None:
        """Count a request in."""
        with self._idle:
            self._busy += 1

    def leave(self) -> None:
        """Count a request out."""
        with self._idle:
            self._busy -= 1
            self._idle.notify_all()

    def choose(self, name: str | None) -> Variant:
        """The variant of that name, or one by weight.

        Raises:
            ApiError: `ValidationError` for a name the configuration does not have.
        """
        if name is None:
            weights = [variant.weight for variant in self.variants]
            return random.choices(self.variants, weights if sum(weights) else None)[0]  # noqa: S311 - traffic, not keys
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise ApiError("ValidationError", f"Variant {name} not found in endpoint configuration {self.config_name}.")

    def sampled_shadows(self, chosen: Variant) -> list[Variant]:
        """The shadow variants that get a copy of this request.

        A shadow's weight in relation to the production variant's is the share of the requests it gets
        (API_CreateEndpointConfig, ShadowProductionVariants).
        """
        whole = chosen.weight or 1.0
        return [shadow for shadow in self.shadows if random.random() * whole < shadow.weight]  # noqa: S311 - traffic

    def retire(self) -> None:
        """Stop the processes once the requests they hold have been answered."""
        with self._idle:
            self._idle.wait_for(lambda: self._busy == 0, DRAIN_SECONDS)
        self.stop()

    def stop(self) -> None:
        """Stop the processes now."""
        for variant in (*self.variants, *self.shadows):
            variant.container.stop()
