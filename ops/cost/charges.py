"""Charges in units without prices, and the lines of an estimate that a price table makes of them."""

from __future__ import annotations

import dataclasses
from typing import Any

from ops.cost.prices import Price, PriceTable

HOURS_PER_MONTH = 730


@dataclasses.dataclass(frozen=True)
class Usage:
    """Usage that no template knows: how much is stored and asked. Assumed unless a person says otherwise.

    Attributes:
        bucket_gb: gigabytes in each bucket, all versions together.
        log_gb: kept by each log group.
        table_gb: gigabytes in each table.
        seconds: that one prediction takes, in the function and at the endpoint; None for the longest they may.
        image_mb: size of one radiograph in megabytes; None for the largest that the API takes.
        log_kb: that one prediction logs, in all log groups together.
    """

    bucket_gb: float = 5.0
    log_gb: float = 0.1
    table_gb: float = 0.1
    seconds: float | None = None
    image_mb: float | None = None
    log_kb: float = 4.0


@dataclasses.dataclass(frozen=True)
class Charge:
    """Units of one thing that AWS charges for.

    Attributes:
        part: the stack.
        resource: logical id, or the name of a pipeline step.
        group: purpose: storage, keys, logs, alarms, compute, network, protection or requests.
        quantity: units.
        key: key in the price table.
        formula: derivation of the quantity.
        most: units at most, where that is more than `quantity`.
        instead: other keys that the units may come to be charged by.
    """

    part: str
    resource: str
    group: str
    quantity: float
    key: str
    formula: str
    most: float | None = None
    instead: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Line:
    """A charge with its price, and those of what it may come to be instead; None where the table has none."""

    charge: Charge
    price: Price | None
    instead: tuple[Price | None, ...] = ()

    @property
    def usd(self) -> float | None:
        """Cost in US dollars; no units cost nothing, whatever the price is."""
        if not self.charge.quantity:
            return 0.0
        return self.charge.quantity * self.price.usd if self.price else None

    @property
    def usd_at_most(self) -> float | None:
        """Greatest cost in US dollars."""
        most = self.charge.quantity if self.charge.most is None else self.charge.most
        if not most:
            return 0.0
        known = [price.usd for price in (self.price, *self.instead) if price]
        return most * max(known) if len(known) == 1 + len(self.instead) else None

    @property
    def unpriced(self) -> list[str]:
        """Keys that the table has no price for, but what comes to no units."""
        if self.usd is not None and self.usd_at_most is not None:
            return []
        priced = zip((self.charge.key, *self.charge.instead), (self.price, *self.instead), strict=True)
        return [key for key, price in priced if price is None]

    def as_json(self) -> dict[str, Any]:
        """Members of the answer with `--json`; `usd` is null without a price."""
        return {
            **dataclasses.asdict(self.charge),
            "price": dataclasses.asdict(self.price) if self.price else None,
            "usd": self.usd,
            "usd_at_most": self.usd_at_most,
        }


@dataclasses.dataclass(frozen=True)
class Section:
    """Lines that are added up."""

    title: str
    lines: tuple[Line, ...]

    @property
    def usd(self) -> float:
        """The sum of what has a price."""
        return sum(line.usd or 0.0 for line in self.lines)

    @property
    def usd_at_most(self) -> float:
        """The sum of what each line can come to, of what has a price."""
        return sum(line.usd_at_most or 0.0 for line in self.lines)

    @property
    def unpriced(self) -> list[str]:
        """Keys that the sum leaves out."""
        return sorted({key for line in self.lines for key in line.unpriced})

    def as_json(self) -> dict[str, Any]:
        """Members of the answer with `--json`; sums are null while something has no price: a part is not the sum."""
        return {
            "usd": None if self.unpriced else self.usd,
            "usd_at_most": None if self.unpriced else self.usd_at_most,
            "usd_priced": self.usd,
            "unpriced": self.unpriced,
            "lines": [line.as_json() for line in self.lines],
        }


def priced(title: str, charges: list[Charge], table: PriceTable, region: str) -> Section:
    """The charges with the prices of a region."""
    lines = (
        Line(charge, table.find(region, charge.key), tuple(table.find(region, key) for key in charge.instead))
        for charge in charges
    )
    return Section(title, tuple(lines))
