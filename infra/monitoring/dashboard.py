"""CloudWatch dashboard of an environment."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.base import metrics
from infra.base.metrics import Metric
from infra.monitoring.service_alarms import Watched
from infra.settings.endpoint import RealtimeEndpoint
from infra.settings.environment import Settings

# A dashboard is 24 units wide.
_WIDTH = 24
_HEIGHT = 6


class Dashboard(Construct):
    """A dashboard: a row of graphs each for API, functions, endpoint, pipelines and the model's behaviour.

    Written as the JSON that CloudWatch takes: each widget of the CDK is a dozen calls into its other process.

    Args:
        watched: names of the resources that are shown.
        alarms: ARNs of the alarms whose states stand on top; none without alarms.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, watched: Watched, alarms: Sequence[str], settings: Settings
    ) -> None:
        super().__init__(scope, construct_id)
        self._region = Stack.of(self).region
        self._runbook_url = settings.monitoring.runbook_url
        self._widgets: list[dict[str, Any]] = []
        self._top = 0
        self._add_head(settings.name, alarms)
        self._add_api(settings.name)
        self._add_functions(watched)
        self._add_endpoint(watched.endpoint, on_instances=isinstance(settings.endpoint, RealtimeEndpoint))
        self._add_pipelines(watched)
        self._add_model(watched.endpoint)
        cloudwatch.CfnDashboard(
            self,
            "Resource",
            dashboard_name=settings.name,
            dashboard_body=Stack.of(self).to_json_string({"widgets": self._widgets}),
        )

    def _add_head(self, name: str, alarms: Sequence[str]) -> None:
        self._text(
            f"# {name}\nPneumonia classifier for chest radiographs: decision support for research, not for diagnosis. "
            f"[Runbook]({self._runbook_url})",
            height=2,
        )
        if alarms:
            self._place("alarm", {"title": "Alarms", "alarms": list(alarms)}, left=0, width=_WIDTH, height=3)
            self._top += 3

    def _add_api(self, name: str) -> None:
        self._section("API", "api-errors")
        self._row(
            self._graph("Requests", [metrics.of_api(name, "Count", "Sum")]),
            self._graph(
                "Share of requests that fail",
                [metrics.of_api(name, "5XXError", "Average"), metrics.of_api(name, "4XXError", "Average")],
            ),
            self._graph(
                "Latency (ms)", [metrics.of_api(name, "Latency", statistic) for statistic in ("p50", "p95", "p99")]
            ),
        )

    def _add_functions(self, watched: Watched) -> None:
        self._section("Functions", "predict-errors")
        functions = [watched.predict, *watched.background.values()]
        self._row(
            self._graph("Errors", [metrics.of_function(function, "Errors") for function in functions]),
            self._graph("Throttles", [metrics.of_function(function, "Throttles") for function in functions]),
            self._graph(
                "Predict: duration (ms)",
                [metrics.of_function(watched.predict, "Duration", statistic) for statistic in ("p50", "p95", "p99")],
            ),
            self._graph("Events given up", [metrics.of_queue(queue) for queue in watched.dead_letters.values()]),
        )

    def _add_endpoint(self, endpoint: str, *, on_instances: bool) -> None:
        def of(name: str, *statistics: str) -> list[Metric]:
            return [metrics.of_endpoint(endpoint, name, statistic) for statistic in statistics]

        self._section("Endpoint", "endpoint-errors")
        load = (
            self._graph(
                "Load (%)",
                [metrics.of_instances(endpoint, f"{name}Utilization") for name in ("CPU", "Memory")],
            )
            if on_instances
            else self._graph("Cold starts (µs)", of("ModelSetupTime", "p90", "Maximum"))
        )
        self._row(
            self._graph("Invocations", of("Invocations", "Sum")),
            self._graph(
                "Share of invocations that fail",
                [*of("Invocation5XXErrors", "Average"), *of("Invocation4XXErrors", "Average")],
            ),
            self._graph("Latency (µs)", [*of("ModelLatency", "p50", "p90", "p99"), *of("OverheadLatency", "p90")]),
            load,
        )

    def _add_pipelines(self, watched: Watched) -> None:
        self._section("Pipelines", "training-failed")
        self._row(
            *(
                self._graph(
                    title,
                    [metrics.of_pipeline(name, f"Execution{end}") for end in ("Started", "Succeeded", "Failed")],
                )
                for title, name in (("Training", watched.training), ("Monitoring", watched.monitoring))
            )
        )

    def _add_model(self, endpoint: str) -> None:
        def of(*names: str) -> list[Metric]:
            return [metrics.of_model(endpoint, name) for name in names]

        self._section("Model: predictions against the reference, and readers' labels", "drift")
        self._row(
            self._graph("Predictions in the window", of("Predictions", "LabelledPredictions")),
            self._graph("Population stability index", of("ScorePsi", "FeaturePsi")),
            self._graph("Against readers' labels", of("Sensitivity", "Specificity", "CalibrationError")),
            self._graph("Findings (1: yes)", of("Drift", "PerformanceDrop")),
        )

    def _section(self, title: str, anchor: str) -> None:
        self._text(f"## {title}\n[What to do when something is wrong]({self._runbook_url}#{anchor})", height=2)

    def _text(self, markdown: str, *, height: int) -> None:
        self._place("text", {"markdown": markdown}, left=0, width=_WIDTH, height=height)
        self._top += height

    def _row(self, *graphs: dict[str, Any]) -> None:
        width = _WIDTH // len(graphs)
        for number, graph in enumerate(graphs):
            self._place("metric", graph, left=number * width, width=width, height=_HEIGHT)
        self._top += _HEIGHT

    def _place(self, kind: str, properties: dict[str, Any], *, left: int, width: int, height: int) -> None:
        self._widgets.append(
            {"type": kind, "x": left, "y": self._top, "width": width, "height": height, "properties": properties}
        )

    def _graph(self, title: str, shown: Sequence[Metric]) -> dict[str, Any]:
        return {
            "title": title,
            "region": self._region,
            "view": "timeSeries",
            "period": 300,
            "metrics": [
                [metric.namespace, metric.name, *_flat(metric.dimensions.items()), {"stat": metric.statistic}]
                for metric in shown
            ],
        }


def _flat(pairs: Any) -> list[str]:
    return [part for pair in pairs for part in pair]
