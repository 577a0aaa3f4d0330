"""The serving processes of one endpoint configuration, and the requests they are busy with."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.api import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.container import Container

# A request is given up after this long ("Amazon SageMaker endpoints and quotas"), so draining ends with it.
DRAIN_SECONDS = 60


@dataclass(frozen=True)
class Variant:
    """A production variant: its part of the endpoint configuration, and its process."""

    settings: Mapping[str, Any]
    container: Container


class Fleet:
    """The processes of one endpoint configuration, and how many requests they are busy with."""

    def __init__(self, config_name: str, variants: list[Variant]) -> None:
        self.config_name = config_name
        self.variants = variants
        self._busy = 0
        self._idle = threading.Condition()

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
            weights = [variant.settings.get("InitialVariantWeight", 1.0) for variant in self.variants]
            return random.choices(self.variants, weights if sum(weights) else None)[0]  # noqa: S311 - traffic, not keys
        for variant in self.variants:
            if variant.settings["VariantName"] == name:
                return variant
        raise ApiError("ValidationError", f"Variant {name} not found in endpoint configuration {self.config_name}.")

    def retire(self, timeout: float = DRAIN_SECONDS) -> None:
        """Stop the processes once the requests they hold have been answered."""
        with self._idle:
            self._idle.wait_for(lambda: self._busy == 0, timeout)
        for variant in self.variants:
            variant.container.stop()
