"""AWS WAF web ACL of the API: managed rules, IP reputation, rate limit by address, size of JSON bodies."""

from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from infra.settings.environment import Settings

# The most of a document that any path but the predictions takes.
MAX_DOCUMENT_BYTES = 8192
# https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
MANAGED = {
    "AWSManagedRulesAmazonIpReputationList": [],
    "AWSManagedRulesKnownBadInputsRuleSet": [],
    # Rules about bodies would see attacks in images, which are noise to them, and none is longer than 8 KB for them.
    "AWSManagedRulesCommonRuleSet": [
        *("SizeRestrictions_BODY", "CrossSiteScripting_BODY", "GenericLFI_BODY", "GenericRFI_BODY"),
        *("EC2MetaDataSSRF_BODY", "NoUserAgent_HEADER"),  # programs that send no User-Agent are clients too
    ],
}


class Firewall(Construct):
    """A web ACL in front of one stage.

    It samples no requests and writes no log: both would hold keys and tokens. Its metrics count by rule.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage_arn: str, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        limit = settings.api.firewall.requests_per_five_minutes
        rules = [
            _blocks("TooManyRequests", 0, wafv2.CfnWebACL.StatementProperty(
                rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(limit=limit, aggregate_key_type="IP")
            )),
            _blocks("LargeDocument", 1, _large_document()),
            *(_managed(name, 2 + number, counted) for number, (name, counted) in enumerate(MANAGED.items())),
        ]  # fmt: skip
        acl = wafv2.CfnWebACL(
            self,
            "Resource",
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            rules=rules,
            visibility_config=_counted(settings.name),
        )
        wafv2.CfnWebACLAssociation(self, "Stage", resource_arn=stage_arn, web_acl_arn=acl.attr_arn)


def _large_document() -> wafv2.CfnWebACL.StatementProperty:
    """A body above the limit on any path that does not end as the one that takes images does."""
    plain = [wafv2.CfnWebACL.TextTransformationProperty(priority=0, type="NONE")]
    takes_images = wafv2.CfnWebACL.StatementProperty(
        byte_match_statement=wafv2.CfnWebACL.ByteMatchStatementProperty(
            field_to_match=wafv2.CfnWebACL.FieldToMatchProperty(uri_path={}),
            positional_constraint="ENDS_WITH",
            search_string="/v1/predictions",
            text_transformations=plain,
        )
    )
    large = wafv2.CfnWebACL.StatementProperty(
        size_constraint_statement=wafv2.CfnWebACL.SizeConstraintStatementProperty(
            # WAF looks at the first 16 KB: more than it looks at is more than there may be.
            field_to_match=wafv2.CfnWebACL.FieldToMatchProperty(
                body=wafv2.CfnWebACL.BodyProperty(oversize_handling="MATCH")
            ),
            comparison_operator="GT",
            size=MAX_DOCUMENT_BYTES,
            text_transformations=plain,
        )
    )
    elsewhere = wafv2.CfnWebACL.StatementProperty(
        not_statement=wafv2.CfnWebACL.NotStatementProperty(statement=takes_images)
    )
    return wafv2.CfnWebACL.StatementProperty(
        and_statement=wafv2.CfnWebACL.AndStatementProperty(statements=[elsewhere, large])
    )


def _blocks(name: str, priority: int, statement: wafv2.CfnWebACL.StatementProperty) -> wafv2.CfnWebACL.RuleProperty:
    return wafv2.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        statement=statement,
        action=wafv2.CfnWebACL.RuleActionProperty(block={}),
        visibility_config=_counted(name),
    )


def _managed(name: str, priority: int, counted: list[str]) -> wafv2.CfnWebACL.RuleProperty:
    count = wafv2.CfnWebACL.RuleActionProperty(count={})
    return wafv2.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        statement=wafv2.CfnWebACL.StatementProperty(
            managed_rule_group_statement=wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
                vendor_name="AWS",
                name=name,
                rule_action_overrides=[
                    wafv2.CfnWebACL.RuleActionOverrideProperty(name=rule, action_to_use=count) for rule in counted
                ]
                or None,
            )
        ),
        override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
        visibility_config=_counted(name),
    )


def _counted(name: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
    )
