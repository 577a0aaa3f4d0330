"""`cxr cost`: what an environment will cost, before anything is deployed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.markup import escape

from ops.base import output
from ops.base.assembly import Assembly
from ops.base.session import Session
from ops.base.tools import REPOSITORY
from ops.commands import options
from ops.commands.options import Env, Json, Parameters, environment
from ops.cost import price_list
from ops.cost.charges import Section, Usage, priced
from ops.cost.prediction_cost import PREDICTIONS, predictions
from ops.cost.prices import TABLE, PriceTable
from ops.cost.run_cost import CALIBRATION, SITE_EVALUATION, run
from ops.cost.standing_cost import standing
from ops.pipelines.parameters import pairs

# What the CDK puts behind a logical id, which nobody reads.
_HASH = re.compile(r"[0-9A-F]{8}$")


def cost(
    ctx: typer.Context,
    *,
    assembly: options.Assembly = REPOSITORY / "cdk.out",
    refresh: Annotated[
        bool, typer.Option("--refresh", help="First ask the Price List API, and write ops/cost/prices.json anew.")
    ] = False,
    set_: Parameters = None,
    bucket_gb: Annotated[float, typer.Option(min=0, help="Stored in each bucket.")] = Usage.bucket_gb,
    log_gb: Annotated[float, typer.Option(min=0, help="Kept in each log group.")] = Usage.log_gb,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="A prediction takes this long; else the longest that it may.")
    ] = None,
    image_mb: Annotated[
        float | None, typer.Option(min=0, help="A radiograph has this size; else the largest that the API takes.")
    ] = None,
    as_json: Json = False,
    env: Env = None,
) -> None:
    """Estimate what an environment costs: per month, per execution and per 1,000 predictions, line by line."""
    found = Assembly.read(assembly, environment(ctx, env))
    table = PriceTable.load(TABLE)
    usage = Usage(bucket_gb=bucket_gb, log_gb=log_gb, seconds=seconds, image_mb=image_mb)
    sections = estimate(found, table, usage, pairs(set_))
    if refresh:
        table = _refreshed(table, found, sections)
        sections = estimate(found, table, usage, pairs(set_))
    if as_json:
        document = {name: section.as_json() for name, section in sections.items()}
        output.print_json({"env": found.env, "region": found.region, "currency": "USD", **document})
    else:
        for section in sections.values():
            _print(section)
        _print_sources(table, found.region)


def estimate(assembly: Assembly, table: PriceTable, usage: Usage, parameters: Mapping[str, str]) -> dict[str, Section]:
    """The sections of the answer, by their names in JSON."""
    region = assembly.region
    return {
        "standing": priced("Standing, a month", standing(assembly, usage), table, region),
        "execution": priced("One execution, every job to its time limit", run(assembly, parameters), table, region),
        "site_evaluation": priced(
            "One evaluation on a site's archive, every job to its time limit",
            run(assembly, {}, having=SITE_EVALUATION), table, region,
        ),
        "calibration": priced(
            "One calibration on a site's archive, every job to its time limit",
            run(assembly, {}, having=CALIBRATION), table, region,
        ),
        "predictions": priced(
            f"{PREDICTIONS:,} predictions, each as slow and as large as it may be" if usage.seconds is None
            else f"{PREDICTIONS:,} predictions of {usage.seconds:g} s",
            predictions(assembly, usage), table, region,
        ),
    }  # fmt: skip


def _refreshed(table: PriceTable, assembly: Assembly, sections: Mapping[str, Section]) -> PriceTable:
    needed = {line.charge.key for section in sections.values() for line in section.lines}
    keys = {key for key in needed | table.keys(assembly.region) if not key.startswith("cxr/")}
    pricing = Session(env=assembly.env, region=price_list.API_REGION).client("pricing")
    answer = price_list.refresh(pricing, table, assembly.region, keys)
    for problem in answer.problems:
        output.say(problem)
    output.say(f"{len(answer.prices)} of {len(keys)} prices of {assembly.region} are now the API's, in {TABLE}")
    fresh = table.with_prices(assembly.region, answer.prices)
    fresh.save(TABLE)
    return fresh


def _print(section: Section) -> None:
    listing = output.table("resource", "how much; price", "USD", "at most")
    parts = list(dict.fromkeys(line.charge.part for line in section.lines))
    last = ""
    for line in sorted(section.lines, key=lambda line: parts.index(line.charge.part)):
        charge = line.charge
        if charge.part != last:
            listing.add_row(f"{charge.part}:")
            last = charge.part
        price = f"{line.price.usd:.10f}".rstrip("0").rstrip(".") + f" / {line.price.unit}" if line.price else "no price"
        listing.add_row(
            f"  {_HASH.sub('', charge.resource)}",
            escape(f"{charge.formula}; {price}"),
            _amount(line.usd),
            _amount(line.usd_at_most) if line.usd_at_most != line.usd else "",
        )
    at_most = f"; at most {_amount(section.usd_at_most)}" if section.usd_at_most > section.usd else ""
    console = output.results()
    if section.unpriced:
        # What is missing can be most of it: the endpoint's instances, say.
        console.print(f"[bold]{escape(section.title)}: no total, because this has no price:[/]")
        # Instances first, which cost most.
        for line in sorted(section.lines, key=lambda line: line.charge.group != "compute"):
            if line.usd is None or line.usd_at_most is None:
                name = f"{line.charge.part}/{_HASH.sub('', line.charge.resource)}"
                console.print(f"  {name}: {line.charge.formula} ({line.charge.key})", markup=False)
        console.print(
            f"The rest: {_amount(section.usd)} USD{at_most}. `cxr cost --refresh` asks AWS for what is missing."
        )
    else:
        console.print(f"[bold]{escape(section.title)}: {_amount(section.usd)} USD{at_most}[/]")
    console.print(listing)
    console.print()


def _amount(usd: float | None) -> str:
    """Dollars to the cent, or to two digits that count below a cent."""
    if usd is None:
        return "?"
    return f"{usd:,.2f}" if usd >= 0.01 or not usd else f"{usd:.2g}"


def _print_sources(table: PriceTable, region: str) -> None:
    dates = table.dates(region)
    if dates is None:
        output.say(f"ops/cost/prices.json has no price of {region}: `cxr cost --refresh` asks for them.")
        return
    when = dates[0] if dates[0] == dates[1] else f"{dates[0]} to {dates[1]}"
    output.say(
        f"Prices of {region} of {when}, each with its source in ops/cost/prices.json. No free allowances, no taxes."
    )
