"""The table of AWS prices that `cxr cost` calculates with: prices.json, each price with its source and date."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops.base.errors import CommandError

TABLE = Path(__file__).with_name("prices.json")


@dataclasses.dataclass(frozen=True)
class Price:
    """US dollars per unit, on demand, in the first tier that is not free.

    Attributes:
        usd: price of one unit in US dollars.
        unit: such as `GB-month` or `request`.
        source: the page, or the Price List API, it was read from.
        date: when, as YYYY-MM-DD.
    """

    usd: float
    unit: str
    source: str
    date: str


class PriceTable:
    """Prices by region and by `<service code>/<usage type without its region>`, the names of the Price List API."""

    def __init__(self, regions: Mapping[str, Mapping[str, Price]], about: str = "") -> None:
        self._regions = {region: dict(prices) for region, prices in regions.items()}
        self._about = about

    @classmethod
    def load(cls, path: Path = TABLE) -> PriceTable:
        """Read the table; raises CommandError when the file is not one."""
        try:
            document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            regions = {
                region: {key: Price(**price) for key, price in prices.items()}
                for region, prices in document["regions"].items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CommandError(f"{path} is no price table: {error}.") from error
        return cls(regions, document.get("about", ""))

    def find(self, region: str, key: str) -> Price | None:
        """The price, or None where the table has none: it is left out then, never guessed."""
        return self._regions.get(region, {}).get(key)

    def keys(self, region: str) -> set[str]:
        """Keys of everything that has a price in the region, or in any other."""
        return set().union(self._regions.get(region, {}), *self._regions.values())

    def with_prices(self, region: str, found: Mapping[str, Price]) -> PriceTable:
        """The table with these prices of a region in place of its own."""
        return PriceTable({**self._regions, region: {**self._regions.get(region, {}), **found}}, self._about)

    def save(self, path: Path = TABLE) -> None:
        """Write the table, in an order that makes a readable difference."""
        regions = {
            region: {key: dataclasses.asdict(price) for key, price in sorted(prices.items())}
            for region, prices in sorted(self._regions.items())
        }
        path.write_text(
            json.dumps({"about": self._about, "regions": regions}, indent=2, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )

    def dates(self, region: str) -> tuple[str, str] | None:
        """The oldest and the newest date of a region's prices."""
        dates = sorted(price.date for price in self._regions.get(region, {}).values())
        return (dates[0], dates[-1]) if dates else None
