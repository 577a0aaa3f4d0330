"""Service alarms of API, functions, endpoint, pipelines and model."""

from collections.abc import Mapping
from dataclasses import dataclass

from constructs import Construct

from infra.base import metrics
from infra.monitoring.alarms import Alarms
from infra.settings.endpoint import RealtimeEndpoint
from infra.settings.environment import Settings

# Half of what a client waits before the gateway gives up, which is 29 s.
API_LATENCY_MS = 15_000
API_ERROR_PERCENT = 5
# Where no rollout says what a release may be like. A container of a serverless endpoint may have to start first.
ENDPOINT_ERROR_PERCENT = 20
ENDPOINT_LATENCY_MS = 10_000


@dataclass(frozen=True)
class Watched:
    """Names of the other stacks' resources that the alarms watch.

    Attributes:
        predict: the function that answers images.
        background: functions that nobody waits for, by the alarm's subject.
        dead_letters: queues of events that were given up, by the alarm's subject.
    """

    predict: str
    background: Mapping[str, str]
    dead_letters: Mapping[str, str]
    training: str
    monitoring: str
    endpoint: str


class ServiceAlarms(Alarms):
    """The alarms of an environment."""

    def __init__(
        self, scope: Construct, construct_id: str, *, topic_arn: str, watched: Watched, settings: Settings
    ) -> None:
        options = settings.monitoring
        super().__init__(scope, construct_id, name=settings.name, topic_arn=topic_arn, runbook_url=options.runbook_url)
        self._add_api(settings.name, watched)
        self._add_functions(watched)
        self._add_endpoint(watched.endpoint, settings)
        self._add_pipelines(watched)
        self._add_model(watched.endpoint, every_hours=options.every_hours)

    def _add_api(self, name: str, watched: Watched) -> None:
        self.add(
            "api-errors",
            metrics.of_api(name, "5XXError", "Average"),  # each request counts as 0 or 1
            f"At least {API_ERROR_PERCENT} % of the requests to the API fail.",
            at_least=API_ERROR_PERCENT / 100,
            times=3,
        )
        self.add(
            "api-latency",
            metrics.of_api(name, "Latency", "p95"),
            f"A request in twenty to the API takes {API_LATENCY_MS / 1000:g} s or longer.",
            at_least=API_LATENCY_MS,
            times=3,
        )
        self.add(
            "predict-errors",
            metrics.of_function(watched.predict, "Errors"),
            "The Predict function ended without an answer: out of time or memory, or a fault of its own.",
            at_least=1,
            times=2,
        )
        self.add(
            "predict-throttles",
            metrics.of_function(watched.predict, "Throttles"),
            "Lambda turned requests to the Predict function away: the account runs as many functions as it may.",
            at_least=1,
            times=2,
        )

    def _add_functions(self, watched: Watched) -> None:
        # What these fail on is tried again, and what fails for good lies in a queue.
        for subject, function in watched.background.items():
            self.add(
                subject,
                metrics.of_function(function, "Errors"),
                "A function that handles events failed; Lambda tries twice more.",
                at_least=1,
            )
        for subject, queue in watched.dead_letters.items():
            self.add(
                subject,
                metrics.of_queue(queue),
                "Events were given up and wait in a queue for somebody to look; after 14 days they are gone.",
                at_least=1,
                # SQS delivers no metrics of a queue that was left alone for over six hours, and what is in it would
                # seem to be gone; whoever reads or empties it brings them back ("Monitoring Amazon SQS queues using
                # CloudWatch" and "Available CloudWatch metrics", "Reported if the queue is active", of the developer
                # guide, read 2026-11-30; not tried in an account).
                missing="ignore",
            )

    def _add_endpoint(self, endpoint: str, settings: Settings) -> None:
        realtime = settings.endpoint if isinstance(settings.endpoint, RealtimeEndpoint) else None
        # What a rollout allows is a share of what the new instances get, and this one of all requests.
        errors = min(realtime.rollout.max_error_percent, ENDPOINT_ERROR_PERCENT) if realtime else ENDPOINT_ERROR_PERCENT
        latency = realtime.rollout.max_latency_ms if realtime else ENDPOINT_LATENCY_MS
        # Auto-rollback alarms look at minutes; what lasts is no release's fault.
        self.add(
            "endpoint-errors",
            metrics.of_endpoint(endpoint, "Invocation5XXErrors", "Average"),
            f"The container answers at least {errors} % of the requests with an error.",
            at_least=errors / 100,
            times=3,
        )
        self.add(
            "endpoint-latency",
            metrics.of_endpoint(endpoint, "ModelLatency", "p90"),
            f"A request in ten spends {latency / 1000:g} s or longer in the model.",
            at_least=latency * metrics.MICROSECONDS,
            times=3,
        )

    def _add_pipelines(self, watched: Watched) -> None:
        for subject, pipeline, says in (
            ("training-failed", watched.training, "An execution of the training pipeline failed."),
            ("monitoring-failed", watched.monitoring, "The monitoring pipeline could not look at the model."),
        ):
            self.add(subject, metrics.of_pipeline(pipeline, "ExecutionFailed"), says, at_least=1)

    def _add_model(self, endpoint: str, *, every_hours: int) -> None:
        # What a run found holds until the next one: hours without data change nothing.
        self.add(
            "drift",
            metrics.of_model(endpoint, "Drift"),
            "What the model is asked, or answers, differs from what it was evaluated with.",
            at_least=1,
            missing="ignore",
        )
        self.add(
            "performance-drop",
            metrics.of_model(endpoint, "PerformanceDrop"),
            "Against readers' labels the model does worse than in its evaluation.",
            at_least=1,
            missing="ignore",
        )
        if every_hours:
            self.add(
                "monitoring-missing",
                metrics.of_model(endpoint, "Predictions", "SampleCount"),
                f"No monitoring run ended in {2 * every_hours} hours, although one is due every {every_hours}.",
                below=1,
                minutes=60,
                times=2 * every_hours,
                missing="missing",
                tells_silence=True,
            )
