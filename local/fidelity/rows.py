"""Table of what the laptop answers in AWS's stead: who answers it, the test that holds it to AWS, what differs.

The control plane answers no operation of SageMaker that has no row here (`core.registry`), and a template with a
resource type that has none fails the tests. docs/fidelity.md and the list in docs/laptop.md are written from it
(`fidelity.pages`). AWS's behaviour is what its reference says, at the address that each kind of row makes of its name.
"""

from __future__ import annotations

from dataclasses import dataclass

_SAGEMAKER = "https://docs.aws.amazon.com/sagemaker/latest"
_CLOUDFORMATION = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference"

_SCRIPTS = (
    "the containers themselves: the scripts run in this project's environment, and the model is served by its engine "
    "under the TensorFlow Serving container's request contract"
)
_ISOLATION = "image pulls, and network isolation beyond the absence of credentials"
_INSTANCES = "several instances of a processing job are processes of this one machine"
_HOSTING = (
    "serverless cold starts and memory limits, instance types, an asynchronous endpoint without an instance, how soon "
    "an instance whose container has ended is replaced (the process is started again after a second), or one that does "
    "not answer (killed and started again where it answers neither a request nor `/ping` for more than a minute); "
    "traffic shifting, alarms and rollbacks do run, with one process for each variant"
)
_SCALING = "autoscaling: targets and policies are accepted, and the number of processes stays"
_SPOT = "managed spot training (a training job that is killed by hand leaves its checkpoints here too)"
_SEARCH = (
    "how a tuning job searches: hyperparameters are drawn at random under the job's seed whatever its strategy, and no "
    "training job is stopped early"
)
_STEPS = "step caching and retry policies: every step runs, once"
_SELECTIVE = "the start of some steps only (SelectiveExecutionConfig), which is refused"
_RUNNING = "a pipeline that runs can be deleted, where AWS refuses that"
_ENCRYPTION = "encryption: keys are made, and nothing is encrypted; signatures are real, and a key's policy says whose"
_BUCKETS = (
    "S3's access logs, TLS, and lifecycle rules, but for versions that a rule keeps for one day after they were "
    "replaced: there they are gone at once, so that checkpoints do not fill the memory "
    "([ADR 40](adr/0040-near-duplicates-by-a-join-and-checkpoints-that-go.md))"
)
_EVENTS = "EventBridge's retries and dead-letter queues, and schedules"
_TABLES = (
    "how soon DynamoDB removes expired items (within a minute here, within days there: the API takes them for gone "
    "either way), how many are kept (the newest 20,000 of each table whose items expire, since they are in memory), "
    "and conditions on keys of items"
)
_HOSTS = (
    "hosts and regions: S3 and the API answer at one address, with the bucket in the path. The page is opened at "
    "`localhost` and S3 is at 127.0.0.1, so a browser enforces the page's policy and the bucket's CORS rule here as "
    "it does in AWS ([ADR 29](adr/0029-the-page-and-its-uploads-have-two-origins.md))"
)
_KEYS = "how API Gateway names the API key of a request: callers are told apart by the key itself"
_FUNCTIONS = (
    "X-Ray, a function's memory limit, and how many environments of functions there are and start at once (here four "
    "of a function for each processor and at least eight, of which as many start at once as there are processors; four "
    "requests for each wait for up to ten seconds, and what is above is throttled, which the API answers with 429 "
    "`throttled`, where API Gateway answers 500)"
)
_STACKS = "CloudFormation's service role: stacks are changed as root"
_ALARMS = (
    "alarms on metrics of API Gateway, Lambda, SQS and pipelines, which do not go off; those on the endpoint and on "
    "the model do, judged at most once a second, by latencies of two digits, which are kept by the minute after two"
)
_LOGS = (
    "retention of logs: kept are the newest 1,000 streams of a function, one for each invocation, and the newest "
    "10,000 events of a stream"
)
_MAIL = "mails and dashboards: both are accepted, and nothing is sent or drawn"
_ABSENT = "AWS WAF and budgets, which the laptop's settings leave out"


@dataclass(frozen=True)
class Row:
    """One thing that is answered here.

    Attributes:
        name: of the operation, the step type or the resource type, as AWS writes it.
        by: who answers: a module of this package, or the emulator that it builds on.
        test: `FILE::TEST` that holds it to AWS's behaviour.
        differences: what is known to be otherwise in AWS, in words that complete "not reproduced:".
    """

    name: str
    by: str
    test: str
    differences: tuple[str, ...] = ()


def _rows(by: str, test: str, *names: str, differences: tuple[str, ...] = ()) -> tuple[Row, ...]:
    return tuple(Row(name, by, test, differences) for name in names)


_DECIDED_BY = "who approved or rejected a version (`LastModifiedBy`), as a fetched report says"
_LOCAL = "tests/local"
_JOBS = f"{_LOCAL}/jobs/test_job_service.py"
_REQUESTS = f"{_LOCAL}/jobs/test_job_requests.py"
_TUNING = f"{_LOCAL}/jobs/test_tuning_job.py"
_ENDPOINTS = f"{_LOCAL}/hosting/test_endpoints.py"
_CLOUD = f"{_LOCAL}/test_cloud.py"
_RELEASES = "tests/system/test_release_under_load.py"
_MONITORED = "tests/system/models/test_monitoring.py"
_SERVICE = f"{_LOCAL}/pipelines/test_pipeline_service.py"
_CONTROL = f"{_LOCAL}/pipelines/test_execution_control.py"
_PARSED = f"{_CONTROL}::test_every_answer_is_what_botocore_parses"
_LISTED = f"{_REQUESTS}::test_lists_are_filtered_sorted_and_paged"
_REGISTRY = f"{_LOCAL}/core/test_registry.py"
_PATH = "tests/system/test_path.py"
_REMOVAL = "tests/system/test_removal.py::test_destroying_leaves_only_what_is_retained"

OPERATIONS: tuple[Row, ...] = (
    *_rows("jobs", f"{_LOCAL}/jobs/test_processing_job.py::test_instances_run_at_the_same_time",
           "CreateProcessingJob", differences=(_SCRIPTS, _ISOLATION, _INSTANCES)),
    *_rows("jobs", f"{_JOBS}::test_script_mode_as_the_toolkit_runs_it",
           "CreateTrainingJob", differences=(_SCRIPTS, _ISOLATION, _SPOT)),
    *_rows("jobs", f"{_LOCAL}/jobs/test_transform_job.py::test_every_object_gets_an_answer_beside_its_name",
           "CreateTransformJob", differences=(_SCRIPTS,)),
    *_rows("jobs", f"{_TUNING}::test_a_search_is_repeated_under_its_seed_and_by_name_without_one",
           "CreateHyperParameterTuningJob", differences=(_SEARCH,)),
    *_rows("jobs", f"{_REQUESTS}::test_answers_are_what_botocore_parses",
           "DescribeProcessingJob", "DescribeTrainingJob", "DescribeTransformJob"),
    *_rows("jobs", f"{_TUNING}::test_answers_are_what_botocore_parses",
           "DescribeHyperParameterTuningJob", "ListTrainingJobsForHyperParameterTuningJob"),
    *_rows("jobs", _LISTED,
           "ListProcessingJobs", "ListTrainingJobs", "ListTransformJobs", "ListHyperParameterTuningJobs"),
    *_rows("jobs", f"{_JOBS}::test_stopping_kills_the_command_and_its_children",
           "StopProcessingJob", "StopTrainingJob", "StopTransformJob"),
    *_rows("jobs", f"{_TUNING}::test_stopping_stops_the_training_jobs_and_starts_no_more",
           "StopHyperParameterTuningJob"),
    *_rows("pipelines", f"{_CONTROL}::test_one_token_is_one_execution",
           "StartPipelineExecution", differences=(_STEPS, _SELECTIVE)),
    *_rows("pipelines", _PARSED,
           "DescribePipelineExecution", "DescribePipelineDefinitionForExecution",
           "ListPipelineExecutionSteps", "ListPipelineParametersForExecution"),
    *_rows("pipelines", f"{_CONTROL}::test_lists_are_sorted_filtered_and_paged", "ListPipelineExecutions"),
    *_rows("pipelines", f"{_CONTROL}::test_a_retry_keeps_what_succeeded", "RetryPipelineExecution"),
    *_rows("pipelines", f"{_CONTROL}::test_stopping_kills_running_jobs_and_starts_nothing_more",
           "StopPipelineExecution"),
    *_rows("hosting", f"{_ENDPOINTS}::test_a_release_serves_the_artifact_of_the_package_it_names",
           "CreateEndpoint", "DescribeEndpoint", "ListEndpoints", differences=(_SCRIPTS, _HOSTING)),
    *_rows("hosting", f"{_LOCAL}/hosting/test_traffic.py::test_a_model_that_fails_is_rolled_back_by_the_alarm",
           "UpdateEndpoint", differences=(_HOSTING,)),
    *_rows("hosting", f"{_ENDPOINTS}::test_deleting_the_stack_stops_the_processes",
           "DeleteEndpoint"),
    *_rows("hosting", f"{_ENDPOINTS}::test_a_container_error_is_a_model_error_with_what_the_container_said",
           "InvokeEndpoint"),
    *_rows("hosting", f"{_LOCAL}/hosting/test_async_inference.py::test_an_answer_is_written_where_the_request_was_told",
           "InvokeEndpointAsync"),
    *_rows("moto, mended by core.registry", f"{_REGISTRY}::test_versions_count_up_and_are_never_given_out_twice",
           "CreateModelPackage", "ListModelPackages"),
    *_rows("moto, mended by core.registry", f"{_REGISTRY}::test_an_approval_keeps_what_it_does_not_mention",
           "DescribeModelPackage", differences=(_DECIDED_BY,)),
    *_rows("moto, mended by core.registry", f"{_REGISTRY}::test_an_approval_keeps_what_it_does_not_mention",
           "UpdateModelPackage"),
    *_rows("core.registry", f"{_REGISTRY}::test_a_group_with_packages_is_not_deleted",
           "DeleteModelPackage", "DeleteModelPackageGroup"),
    *_rows("moto", f"{_REGISTRY}::test_a_group_with_packages_is_not_deleted",
           "CreateModelPackageGroup", "DescribeModelPackageGroup"),
    *_rows("moto, mended by core.registry", f"{_REGISTRY}::test_what_moto_forgets_is_described_all_the_same",
           "CreateModel", "DescribeModel", "CreateEndpointConfig", "DescribeEndpointConfig"),
    *_rows("moto", _REMOVAL,
           "DeleteModel", "DeleteEndpointConfig", "ListModels", "ListPipelines", "ListModelPackageGroups"),
    *_rows("moto", f"{_CONTROL}::test_a_running_execution_keeps_its_definition",
           "CreatePipeline", "DescribePipeline", "UpdatePipeline"),
    *_rows("moto", _REMOVAL, "DeletePipeline", differences=(_RUNNING,)),
)  # fmt: skip

STEP_TYPES: tuple[Row, ...] = (
    Row("Processing", "pipelines", f"{_SERVICE}::test_a_good_model_is_registered", (_STEPS,)),
    Row("Training", "pipelines", f"{_SERVICE}::test_a_good_model_is_registered"),
    Row("Tuning", "pipelines",
        f"{_LOCAL}/pipelines/test_tuning_step.py::test_later_steps_take_the_model_of_the_best_job", (_SEARCH,)),
    Row("Lambda", "pipelines",
        f"{_LOCAL}/pipelines/test_lambda_step.py::test_the_answers_members_are_the_steps_output_parameters"),
    Row("RegisterModel", "pipelines", f"{_SERVICE}::test_a_good_model_is_registered"),
    Row("Condition", "pipelines", f"{_SERVICE}::test_branches_nest_and_what_hangs_on_an_untaken_one_is_not_run"),
    Row("Fail", "pipelines", f"{_SERVICE}::test_a_bad_model_ends_in_the_fail_step"),
)  # fmt: skip

_ANSWERS = f"{_PATH}::test_an_approved_model_answers_over_http"
_KEYLESS = f"{_PATH}::test_without_the_key_nothing_is_answered"
_STACKED = f"{_ENDPOINTS}::test_a_second_package_replaces_the_first_without_a_failed_request"
_AGAIN = "tests/system/test_removal.py::test_deploying_again_changes_nothing"
_GRANTS = "tests/system/test_permissions.py::test_the_api_cannot_ask_the_model_without_its_grant"
_UPLOADED = f"{_PATH}::test_an_upload_becomes_a_registered_model"

RESOURCE_TYPES: tuple[Row, ...] = (
    *_rows("stack_resources", _AGAIN, "AWS::SageMaker::Pipeline", "AWS::SageMaker::ModelPackageGroup"),
    *_rows("stack_resources", _STACKED,
           "AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Endpoint"),
    *_rows("stack_resources", f"{_RELEASES}::test_a_good_model_takes_over_without_a_failed_request",
           "AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy",
           differences=(_SCALING,)),
    *_rows("stack_resources", _REMOVAL, "Custom::S3AutoDeleteObjects"),
    *_rows("MiniStack, by the stack's own function", _REMOVAL, "Custom::ModelPackages"),
    *_rows("MiniStack, by the stack's own function", _UPLOADED, "Custom::SourceCode", "Custom::PatientKey"),
    *_rows("MiniStack, mended by core.object_versions",
           f"{_CLOUD}::test_a_version_is_gone_at_once_only_where_a_rule_gives_it_one_day",
           "AWS::S3::Bucket", differences=(_ENCRYPTION, _BUCKETS, _HOSTS)),
    *_rows("MiniStack", f"{_CLOUD}::test_a_bucket_that_refuses_plain_http_takes_the_loopback",
           "AWS::S3::BucketPolicy"),
    *_rows("MiniStack", _UPLOADED, "AWS::KMS::Key", differences=(_ENCRYPTION,)),
    *_rows("MiniStack", f"{_PATH}::test_one_upload_event_delivered_three_times_starts_one_execution",
           "AWS::Events::Rule", differences=(_EVENTS,)),
    *_rows("MiniStack, mended by core.retention",
           "tests/local/core/test_retention.py::test_a_template_s_table_has_its_time_to_live_and_loses_it",
           "AWS::DynamoDB::Table", differences=(_TABLES,)),
    *_rows("MiniStack", _KEYLESS,
           "AWS::ApiGateway::RestApi", "AWS::ApiGateway::Resource", "AWS::ApiGateway::Method",
           "AWS::ApiGateway::Deployment", "AWS::ApiGateway::Stage", "AWS::ApiGateway::GatewayResponse",
           "AWS::ApiGateway::Account", "AWS::ApiGateway::ApiKey", "AWS::ApiGateway::UsagePlan",
           "AWS::ApiGateway::UsagePlanKey", differences=(_KEYS,)),
    *_rows("MiniStack, bounded by core.function_concurrency", _ANSWERS, "AWS::Lambda::Function",
           differences=(_FUNCTIONS,)),
    *_rows("MiniStack", _ANSWERS, "AWS::Lambda::Permission", "AWS::Lambda::EventInvokeConfig"),
    *_rows("MiniStack", _GRANTS, "AWS::IAM::Role", "AWS::IAM::Policy", differences=(_STACKS,)),
    *_rows("MiniStack, mended by core.metrics",
           f"{_CLOUD}::test_an_alarm_judges_its_own_metric_and_is_quiet_when_that_ends",
           "AWS::CloudWatch::Alarm", differences=(_ALARMS,)),
    *_rows("MiniStack", _AGAIN, "AWS::CloudWatch::Dashboard", differences=(_MAIL,)),
    *_rows("MiniStack, mended by core.retention",
           "tests/system/test_predictions.py::test_no_log_holds_an_image_a_result_or_a_key",
           "AWS::Logs::LogGroup", differences=(_LOGS,)),
    *_rows("MiniStack", f"{_MONITORED}::test_other_radiographs_set_the_alarm_off_and_the_topic_says_what_to_do",
           "AWS::SNS::Topic", "AWS::SNS::TopicPolicy", differences=(_MAIL,)),
    *_rows("MiniStack", f"{_RELEASES}::test_a_release_is_reported_when_the_endpoint_was_asked",
           "AWS::SQS::Queue", "AWS::SQS::QueuePolicy"),
)  # fmt: skip

LEFT_OUT: tuple[str, ...] = (_ABSENT,)
"""What the laptop's templates do not have at all."""


def documentation(row: Row) -> str:
    """Address of AWS's documentation of it; empty for a custom resource, which is the stack's own."""
    if row in OPERATIONS:
        runtime = "runtime_" if row.name.startswith("Invoke") else ""
        return f"{_SAGEMAKER}/APIReference/API_{runtime}{row.name}.html"
    if row in STEP_TYPES:
        return f"{_SAGEMAKER}/dg/build-and-manage-steps-types.html"
    if row.name.startswith("Custom::"):
        return ""
    _, service, kind = row.name.lower().split("::")
    return f"{_CLOUDFORMATION}/aws-resource-{service}-{kind}.html"
