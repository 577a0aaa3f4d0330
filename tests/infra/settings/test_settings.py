"""A wrong or missing value stops with one line that names it; nothing is stated twice."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import ValidationError

from infra.settings.environment import Settings
from infra.settings.pipelines import Pipeline
from infra.settings.section import SettingsError
from model_code import split_dataset
from model_code.contract.job import JobError
from model_code.contract.parameters import TRAINING

REPOSITORY = Path(__file__).resolve().parents[3]
CONTEXT: dict[str, Any] = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]
OPTIONAL = {"notification_email", "account", "tags", "permissions_boundary"}
# Parameters of the pipeline, whose defaults are stated with what they mean.
DEFAULTS = {one.field: one.default for one in TRAINING.values() if one.setting}


def leaves(section: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def at(section: dict[str, Any], path: tuple[str, ...]) -> Any:
    for key in path:
        section = section[key]
    return section


def whole(environment: str) -> dict[str, Any]:
    """A context with everything the environment says in one place."""
    stated = Settings.load({**CONTEXT, "env": environment}).model_dump(exclude={"environment"}, exclude_none=True)
    return {"env": environment, "shared": {}, "environments": {environment: stated}}


def cases() -> Iterator[Any]:
    for environment in CONTEXT["environments"]:
        for path in leaves(whole(environment)["environments"][environment]):
            if path[0] not in OPTIONAL and not (path[0] == "pipeline" and path[-1] in DEFAULTS):
                yield pytest.param(environment, path, id=f"{environment}-{'.'.join(path)}")


@pytest.mark.parametrize(("environment", "path"), list(cases()))
def test_a_missing_value_is_named_in_one_line(environment: str, path: tuple[str, ...]) -> None:
    context = whole(environment)
    del at(context["environments"][environment], path[:-1])[path[-1]]

    with pytest.raises(SettingsError) as error:
        Settings.load(context)

    text = str(error.value)
    assert "\n" not in text
    assert f'environment "{environment}"' in text
    assert all(part in text for part in path)
    assert "missing" in text


def test_a_parameter_that_is_not_stated_is_as_the_table_says() -> None:
    context = whole("dev")
    context["environments"]["dev"]["pipeline"] = {"weights_file": "none", "spot": False, "tuning": False}

    pipeline = Settings.load(context).pipeline

    assert {name: getattr(pipeline, name) for name in DEFAULTS} == DEFAULTS
    assert not DEFAULTS.keys() & CONTEXT["shared"]["pipeline"].keys(), "stated twice is changed once"


@pytest.mark.parametrize(("value", "accepted"), [(0.005, False), (0.01, True), (0.4, True), (0.45, False)])
def test_what_the_job_would_refuse_stops_synthesis(value: float, accepted: bool) -> None:
    """The archive would be decoded, and paid for, before SplitDataset refuses the fraction."""
    context = whole("dev")
    context["environments"]["dev"]["pipeline"]["validation_fraction"] = value
    flags = ["--archive-uri", f"s3://bucket/datasets/{'0' * 64}/archive.zip", "--image-size", "64", "--seed", "1"]

    for check, error in (
        (lambda: Settings.load(context), SettingsError),
        (lambda: split_dataset.parse([*flags, "--validation-fraction", str(value)]), JobError),
    ):
        with nullcontext() if accepted else pytest.raises(error, match=r"(?i)validation_?fraction"):
            check()


def test_no_environment_repeats_what_is_shared() -> None:
    """A value stated twice is one that will be changed once."""
    for environment, own in CONTEXT["environments"].items():
        for path in leaves(own):
            for name in filter(None, [own.get("like"), "shared"]):
                others = CONTEXT["shared"] if name == "shared" else CONTEXT["environments"][name]
                try:
                    stated = at(others, path)
                except KeyError:
                    continue
                assert at(own, path) != stated, f"{environment} repeats the {'.'.join(path)} of {name}"
                break


@pytest.mark.parametrize("environment", ["a" * 13, "preproduction", "Dev", "d", "pre-prod"])
def test_an_environment_whose_name_would_be_cut_or_is_no_name_is_refused(environment: str) -> None:
    """Policies know roles by the start of their names, of which CloudFormation keeps 25 characters of the stack's."""
    context = whole("dev")
    context |= {"env": environment, "environments": {environment: context["environments"]["dev"]}}
    with pytest.raises(SettingsError, match=f"environment is '{environment}'"):
        Settings.load(context)


@pytest.mark.parametrize(
    ("environment", "path", "value", "says"),
    [
        ("dev", "region", "Virginia", "region is 'Virginia'"),
        ("dev", "log_retention_days", 31, "log_retention_days is 31"),
        ("dev", "notification_email", "nobody", "notification_email is 'nobody'"),
        ("dev", "endpoint.memory_mb", 4000, "endpoint.memory_mb is 4000"),
        ("dev", "endpoint.instance_type", "ml.m5.large", "endpoint.instance_type is not a setting"),
        ("dev", "endpoint.kind", "batch", "endpoint: "),
        ("dev", "pipeline.epochs", 0, "pipeline.epochs is 0"),
        ("dev", "pipeline.backbone_weights", "imagenet21k", "pipeline.backbone_weights is 'imagenet21k'"),
        ("dev", "pipeline.training_instance_type", "g4dn.xlarge", "pipeline.training_instance_type"),
        ("dev", "pipeline.processing_instance_count", 0, "pipeline.processing_instance_count is 0"),
        ("dev", "pipeline.backbone", "VGG16", "pipeline.backbone is 'VGG16'"),
        ("dev", "pipeline.warm_start_from", "cxr-dev/3", "pipeline.warm_start_from is 'cxr-dev/3'"),
        ("dev", "pipeline.fine_tune_from", "last stage", "pipeline.fine_tune_from is 'last stage'"),
        ("dev", "pipeline.dropout", 1, "pipeline.dropout is 1"),
        ("dev", "pipeline.label_smoothing", 0.6, "pipeline.label_smoothing is 0.6"),
        ("dev", "pipeline.class_weights", "even", "pipeline.class_weights is 'even'"),
        ("dev", "pipeline.ema_momentum", 1.0, "pipeline.ema_momentum is 1.0"),
        ("dev", "pipeline.feature_views", -1, "pipeline.feature_views is -1"),
        ("dev", "pipeline.horizontal_flip", 1.5, "pipeline.horizontal_flip is 1.5"),
        ("dev", "pipeline.rotation_degrees", 270, "pipeline.rotation_degrees is 270"),
        ("dev", "pipeline.precision", "bfloat16", "pipeline.precision is 'bfloat16'"),
        ("dev", "pipeline.xla", True, "pipeline.xla is True"),
        ("dev", "pipeline.serving_comparison", "ignore", "pipeline.serving_comparison is 'ignore'"),
        ("dev", "pipeline.tuning_jobs", 0, "pipeline.tuning_jobs is 0"),
        ("dev", "pipeline.trainig_instance_type", "ml.g5.xlarge", "pipeline.trainig_instance_type is not a setting"),
        ("dev", "archive.max_bytes", 6 * 1024**3, "archive.max_bytes"),
        ("dev", "archive.max_files", 1_000_001, "archive.max_files"),
        ("prod", "endpoint.instance_count", 1, "endpoint.instance_count is 1"),
        ("prod", "endpoint.rollout.percent", 60, "endpoint.rollout.percent is 60"),
        ("prod", "endpoint.rollout.traffic", "rolling", "endpoint.rollout.traffic is 'rolling'"),
        ("prod", "endpoint.scaling.max_instances", 1, "scaling.max_instances must not be below instance_count"),
        ("prod", "endpoint.shadow_percent", 101, "endpoint.shadow_percent is 101"),
        ("prod", "endpoint.rollout.alarm_period_seconds", 30, "endpoint.rollout.alarm_period_seconds is 30"),
        ("prod", "endpoint.fallback_instance_types", ["ml.c6i.xlarge"], "names ml.c6i.xlarge, which is tried before"),
        ("prod", "endpoint.fallback_instance_types", ["ml.c6i.2xlarge"], "cannot stand in for ml.c6i.xlarge"),
        ("prod", "endpoint.fallback_instance_types", ["ml.g4dn.xlarge"], "cannot stand in for ml.c6i.xlarge"),
        ("prod", "endpoint.fallback_instance_types", ["ml.c7g.xlarge"], "which has an Arm processor"),
        ("prod", "endpoint.fallback_instance_types", [f"ml.m{n}.xlarge" for n in range(5)], "at most 4 items"),
        ("prod", "asynchronous.fallback_instance_types", ["ml.m5.large"], "cannot stand in for ml.c6i.xlarge"),
        ("dev", "endpoint.provisioned_concurrency", 6, "provisioned_concurrency must not exceed max_concurrency"),
        ("prod", "asynchronous.backlog_per_instance", 0, "asynchronous.backlog_per_instance is 0"),
        ("prod", "asynchronous.instance_type", "ml.g5.xlarge", "asynchronous.instance_type is ml.g5.xlarge, which has"),
        ("dev", "batch.instance_type", "ml.g4dn.xlarge", "batch.instance_type is ml.g4dn.xlarge, which has a GPU"),
        ("dev", "batch.concurrent_requests", 0, "batch.concurrent_requests is 0"),
        ("prod", "api.max_image_bytes", 5_000_000, "api.max_image_bytes is 5000000"),
        ("prod", "api.max_upload_bytes", 4_400_000, "max_upload_bytes must not be below max_image_bytes"),
        ("prod", "api.max_upload_bytes", 7_000_000, "api.max_upload_bytes is 7000000"),
        ("dev", "api.max_upload_bytes", 5_000_000, "api.max_upload_bytes is 5000000, but a serverless endpoint"),
        ("prod", "api.keep_labelled_days", 7, "keep_labelled_days must not be below keep_days"),
        ("prod", "api.allowed_origins", ["*"], "api.allowed_origins.0 is '*'"),
        ("prod", "api.allowed_origins", ["https://reader.example/"], "api.allowed_origins.0 is"),
        ("prod", "api.page_origins", ["*"], "api.page_origins.0 is '*'"),
        ("prod", "api.page_origins", ["https://*.example:*"], "api.page_origins.0 is"),
        ("prod", "api.page_origins", ["https://cxr.example/page"], "api.page_origins.0 is"),
        ("prod", "api.authentication", {"kind": "basic"}, "api.authentication"),
        ("prod", "api.authentication", {"kind": "jwt", "audience": "x"}, "api.authentication.issuer is missing"),
        (
            "prod",
            "api.authentication",
            {"kind": "jwt", "issuer": "http://issuer.example", "audience": "x"},
            "api.authentication.issuer is 'http://issuer.example'",
        ),
        ("prod", "api.firewall.requests_per_five_minutes", 9, "api.firewall.requests_per_five_minutes is 9"),
        ("dev", "site_evaluation.max_refused_share", 1.1, "site_evaluation.max_refused_share is 1.1"),
        ("dev", "site_evaluation.required_for_release", "usable", "required_for_release is 'usable', input should be"),
        ("prod", "site_evaluation.required", True, "site_evaluation.required is not a setting"),
    ],
)
def test_a_wrong_value_is_named(environment: str, path: str, value: Any, says: str) -> None:
    context = whole(environment)
    *section, key = path.split(".")
    at(context["environments"][environment], tuple(section))[key] = value

    with pytest.raises(SettingsError) as error:
        Settings.load(context)

    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_prod_cannot_lose_its_data() -> None:
    context = whole("prod")
    context["environments"]["prod"]["retain"] = False
    with pytest.raises(SettingsError, match="retain must be true in prod"):
        Settings.load(context)


def test_tokens_need_a_way_to_the_issuer() -> None:
    """In a network without a way out nobody could fetch its keys, and every token would be refused."""
    context = whole("prod")
    prod = context["environments"]["prod"]
    prod["api"]["authentication"] = {"kind": "jwt", "issuer": "https://issuer.example", "audience": "cxr"}
    assert Settings.load(context).api.authentication.kind == "jwt"
    prod["network"]["vpc"] = True
    with pytest.raises(SettingsError, match=r"network\.vpc leaves nobody to fetch the keys"):
        Settings.load(context)


def test_a_serverless_endpoint_takes_smaller_images() -> None:
    context = whole("dev")
    context["environments"]["dev"]["api"]["max_image_bytes"] = 4_400_000
    context["environments"]["dev"]["api"]["max_upload_bytes"] = 4_400_000
    with pytest.raises(SettingsError, match="serverless endpoint takes at most 4194304"):
        Settings.load(context)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"traffic": "linear", "percent": 5, "max_error_percent": 2}, "percent must be at least 10 for linear traffic"),
        (
            {"traffic": "linear", "percent": 10, "wait_seconds": 3600, "max_error_percent": 5},
            "SageMaker stops it after",
        ),
    ],
)
def test_a_rollout_is_one_that_sagemaker_takes(changes: dict[str, Any], says: str) -> None:
    context = whole("prod")
    context["environments"]["prod"]["endpoint"]["rollout"] |= changes
    with pytest.raises(SettingsError, match=says) as error:
        Settings.load(context)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("traffic", "percent", "steps"), [("canary", 10, 2), ("linear", 25, 4), ("linear", 40, 3)])
def test_steps_of_a_rollout(traffic: str, percent: int, steps: int) -> None:
    context = whole("prod")
    context["environments"]["prod"]["endpoint"]["rollout"] |= {
        "traffic": traffic,
        "percent": percent,
        "max_error_percent": 5,
    }
    endpoint = Settings.load(context).endpoint
    assert endpoint.kind == "realtime"
    assert endpoint.rollout.steps == steps


def test_a_gpu_endpoint_needs_gpus_for_everything() -> None:
    """The package that is released names one image."""
    context = whole("prod")
    environment = context["environments"]["prod"]
    environment["endpoint"]["instance_type"] = "ml.g4dn.xlarge"
    with pytest.raises(SettingsError, match=r"asynchronous.instance_type is ml.c6i.xlarge, which has none"):
        Settings.load(context)
    environment["asynchronous"]["instance_type"] = environment["batch"]["instance_type"] = "ml.g4dn.xlarge"
    with pytest.raises(SettingsError, match=r"pipeline.serving_engine is litert, which computes on processors only"):
        Settings.load(context)
    environment["pipeline"]["serving_engine"] = "tensorflow"
    assert Settings.load(context).batch.instance_type == "ml.g4dn.xlarge"


def test_spot_waits_at_least_as_long_as_it_runs() -> None:
    context = whole("dev")
    context["environments"]["dev"]["pipeline"] |= {"spot": True, "max_wait_seconds": 3600}
    with pytest.raises(SettingsError, match="max_wait_seconds must not be below max_runtime_seconds"):
        Settings.load(context)


def test_no_more_tuning_jobs_run_at_once_than_in_all() -> None:
    context = whole("dev")
    context["environments"]["dev"]["pipeline"] |= {"tuning": True, "tuning_jobs": 2, "tuning_parallel_jobs": 3}
    with pytest.raises(SettingsError, match="tuning_jobs must not be below tuning_parallel_jobs"):
        Settings.load(context)


def test_an_unknown_environment_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r'no environment "test".*dev, staging, prod, laptop'):
        Settings.load({**CONTEXT, "env": "test"})


def test_staging_is_prod_but_for_what_it_says() -> None:
    staging, prod = (Settings.load({**CONTEXT, "env": name}) for name in ("staging", "prod"))

    assert staging.endpoint == prod.endpoint, "a release is rehearsed as it will be"
    assert staging.pipeline == prod.pipeline
    assert staging.api.max_image_bytes == prod.api.max_image_bytes
    assert (staging.retain, prod.retain) == (False, True)


@pytest.mark.parametrize("like", ["nothing", "staging"])
def test_an_environment_is_like_one_that_says_itself_what_it_is(like: str) -> None:
    context = copy.deepcopy(CONTEXT)
    context["environments"]["dev"]["like"] = like
    with pytest.raises(SettingsError, match=f"like is '{like}', which is no environment with values of its own"):
        Settings.load({**context, "env": "dev"})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tags": {"environment": "dev"}}, "tags.environment is the name of the environment already"),
        ({"tags": {"aws:owner": "us"}}, "tags.aws:owner"),
        ({"account": "1234"}, "account is '1234'"),
        ({"permissions_boundary": "no spaces"}, "permissions_boundary is 'no spaces'"),
        ({"network": {"zones": ["a"]}}, "network.zones"),
        ({"network": {"cidr": "10.0.0.0/28"}}, "network.cidr is '10.0.0.0/28'"),
        ({"network": {"vpc": True}}, "network.vpc leaves training without the internet"),
        (
            {"network": {"vpc": True}, "pipeline": {"backbone_weights": "s3://weights/file.h5"}},
            "isolates training jobs",
        ),
    ],
)
def test_what_a_platform_team_may_set_is_checked(changes: dict[str, Any], says: str) -> None:
    context = copy.deepcopy(CONTEXT)
    context["environments"]["prod"] |= changes
    with pytest.raises(SettingsError, match=says) as error:
        Settings.load({**context, "env": "prod"})
    assert "\n" not in str(error.value)


def test_a_serverless_endpoint_runs_in_no_network() -> None:
    context = copy.deepcopy(CONTEXT)
    context["environments"]["dev"]["network"] = {"vpc": True}
    with pytest.raises(SettingsError, match=r"network\.vpc needs another kind of endpoint"):
        Settings.load({**context, "env": "dev"})


def test_without_environments_there_is_one_line_too() -> None:
    with pytest.raises(SettingsError, match="environments"):
        Settings.load({"env": "dev"})


def test_settings_cannot_change_while_stacks_are_built() -> None:
    settings = Settings.load(copy.deepcopy(CONTEXT))
    with pytest.raises(ValidationError, match="frozen"):
        settings.retain = True  # type: ignore[misc]


@pytest.mark.parametrize("spot", [False, True])
@pytest.mark.parametrize("tuning", [False, True])
def test_every_parameter_of_the_pipeline_has_its_default_from_settings(spot: bool, tuning: bool) -> None:
    file = f"definition{'-tuning' if tuning else ''}{'-spot' if spot else ''}.json"
    definition = json.loads((REPOSITORY / "pipeline" / file).read_text(encoding="utf-8"))
    context = whole("dev")
    context["environments"]["dev"]["pipeline"] |= {"spot": spot, "tuning": tuning}

    parameters = {parameter["Name"] for parameter in definition["Parameters"]}

    # A start names its archive, and whether that needs a network; the image follows from the instance type.
    assert set(Settings.load(context).pipeline.defaults()) == parameters - {
        "InputArchiveUri",
        "NetworkIsolation",
        "TrainingImageUri",
        "WeightsChannelUri",
    }


def test_settings_and_pipeline_offer_the_same_choices() -> None:
    definition = json.loads((REPOSITORY / "pipeline" / "definition.json").read_text(encoding="utf-8"))
    fields = {field.alias: field.annotation for field in Pipeline.model_fields.values()}
    offered = {
        parameter["Name"]: tuple(parameter["EnumValues"])
        for parameter in definition["Parameters"]
        if "EnumValues" in parameter
    }

    assert offered == {name: get_args(kind) for name, kind in fields.items() if get_origin(kind) is Literal}


def test_what_the_repository_compiles_is_what_dev_and_prod_deploy() -> None:
    """The committed defaults are those a reader of the definition takes for the usual ones."""
    definition = json.loads((REPOSITORY / "pipeline" / "definition.json").read_text(encoding="utf-8"))
    compiled = {parameter["Name"]: parameter.get("DefaultValue") for parameter in definition["Parameters"]}

    for environment in ("dev", "prod"):
        defaults = Settings.load({**CONTEXT, "env": environment}).pipeline.defaults()
        assert {name: compiled[name] for name in defaults} == defaults


def test_no_setting_stands_twice_in_cdk_json():
    """JSON's readers take the last of two without a word, so the first would be a limit that nobody has."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names), names
        return dict(pairs)

    json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"), object_pairs_hook=once)
