"""CloudWatch alarms that notify a topic, each described by its runbook section."""

import re

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.base.assets import ROOT
from infra.base.metrics import Metric
from infra.base.stack import alarm_arn

# AlarmDescription (API_PutMetricAlarm).
_DESCRIPTION = 1024


class Alarms(Construct):
    """Alarms of an environment, which send both their beginning and their end to its topic.

    An alarm `<environment>-<subject>` has the section `<subject>` in the runbook, which its description links to.
    Written with the plain resources, as rules are: `aws_cloudwatch_actions` imports half of the CDK.

    Args:
        name: prefix of the alarms' names.
        runbook_url: URL of the page with a section for each alarm.
    """

    def __init__(self, scope: Construct, construct_id: str, *, name: str, topic_arn: str, runbook_url: str) -> None:
        super().__init__(scope, construct_id)
        self._name = name
        self._topic_arn = topic_arn
        self._runbook_url = runbook_url
        self.arns: list[str] = []

    def add(
        self,
        subject: str,
        metric: Metric,
        says: str,
        *,
        at_least: float | None = None,
        below: float | None = None,
        minutes: int = 5,
        times: int = 1,
        missing: str = "notBreaching",
        tells_silence: bool = False,
    ) -> None:
        """Add an alarm.

        Args:
            subject: subject of the alarm, in lower case with hyphens; the runbook's section.
            says: one sentence on what is wrong while it is on.
            at_least: goes off where the metric reaches this; or
            below: where it stays below this.
            minutes: length of the periods.
            times: periods in a row.
            missing: meaning of a period without data, by CloudFormation's `TreatMissingData`.
            tells_silence: whether people are told too when data stop coming. Before any came nobody is: an alarm begins
                without data, and only a change of its state does anything ("Monitor with CloudWatch alarms" of the
                Application Auto Scaling user guide, read 2026-11).
        """
        threshold = at_least if below is None else below
        assert threshold is not None  # noqa: S101
        percentile = metric.statistic.startswith("p")
        cloudwatch.CfnAlarm(
            self,
            "".join(word.capitalize() for word in subject.split("-")),
            alarm_name=f"{self._name}-{subject}",
            alarm_description=self._description(subject, says),
            namespace=metric.namespace,
            metric_name=metric.name,
            dimensions=[{"name": name, "value": value} for name, value in metric.dimensions.items()],
            statistic=None if percentile else metric.statistic,
            extended_statistic=metric.statistic if percentile else None,
            period=minutes * 60,
            evaluation_periods=times,
            threshold=threshold,
            comparison_operator=("GreaterThanOrEqualToThreshold" if below is None else "LessThanThreshold"),
            treat_missing_data=missing,
            alarm_actions=[self._topic_arn],
            ok_actions=[self._topic_arn],
            insufficient_data_actions=[self._topic_arn] if tells_silence else None,
            # A few requests in the night, and one of them slow, are no percentile.
            evaluate_low_sample_count_percentile="ignore" if percentile else None,
        )
        self.arns.append(alarm_arn(Stack.of(self), f"{self._name}-{subject}"))

    def _description(self, subject: str, says: str) -> str:
        """Alarm description with the runbook's section: whoever gets the mail may not be able to open a page."""
        address = f" {self._runbook_url}#{subject}"
        advice = f"{says} What to do: {_section(subject)}"
        room = _DESCRIPTION - len(address)
        return (advice if len(advice) <= room else f"{advice[: room - 2].rsplit(' ', 1)[0]} …") + address


def _section(subject: str) -> str:
    """The runbook's section in one paragraph, links as their text; empty where there is none."""
    text = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(subject)}\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", found[1] if found else "")
    return " ".join(plain.split())
