"""Monthly AWS budget with notifications."""

from aws_cdk import aws_budgets as budgets
from constructs import Construct

from infra.settings.platform import Budget


class SpendingBudget(Construct):
    """A monthly budget of what carries the project's tag.

    AWS Budgets sees a tag only once it is activated as a cost allocation tag in the account that pays
    (https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html): docs/operations.md.

    Its name says when somebody is told, `cxr-prod-50-80-100`: other notifications replace the budget
    (createOnlyProperties of AWS::Budgets::Budget in cfn-lint 1's schemas), and CloudFormation makes the new one first,
    which under the same name is refused ("the budget already exists": cloudformation-coverage-roadmap#365,
    landing-zone-accelerator-on-aws#418; read 2026-11-30, not tried in an account).

    Args:
        name: name of the environment, with which that of the budget begins.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, project: str, topic_arn: str, options: Budget
    ) -> None:
        super().__init__(scope, construct_id)
        # What was spent, at each share; what will be by the month's end, at the whole.
        alerts = [*(("ACTUAL", percent) for percent in options.alert_percent), ("FORECASTED", 100)]
        budgets.CfnBudget(
            self,
            "Resource",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name="-".join([name, *map(str, options.alert_percent)]),
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=options.monthly_usd, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:project${project}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type=kind,
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[
                        budgets.CfnBudget.SubscriberProperty(address=topic_arn, subscription_type="SNS"),
                    ],
                )
                for kind, percent in alerts
            ],
        )
