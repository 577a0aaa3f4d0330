"""GitHub's workflows run what people run, with no stored keys, no more rights than they need, and pinned actions."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from infra.settings.endpoint import RealtimeEndpoint
from infra.settings.environment import Settings
from policy.github import SESSION_SECONDS

REPOSITORY = Path(__file__).resolve().parents[1]
WORKFLOWS = {path.stem: path for path in sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))}
SETUP = REPOSITORY / ".github" / "actions" / "setup" / "action.yml"
SUBJECT = REPOSITORY / ".github" / "actions" / "subject" / "action.yml"


def load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["on"] = content.pop(True, None)  # what YAML 1.1 makes of `on`
    return content


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, path in WORKFLOWS.items():
        for job_name, job in load(path)["jobs"].items():
            yield f"{name}: {job_name}", job


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in jobs():
        for step in job.get("steps", []):
            yield name, step
    for action in (SETUP, SUBJECT):
        for step in load(action)["runs"]["steps"]:
            yield action.parent.name, step


def make_commands() -> list[str]:
    runs = [line.strip() for _, step in steps() for line in str(step.get("run", "")).splitlines()]
    return [run for run in runs if run.startswith("make ")]


def test_the_workflows_are_those_that_are_documented() -> None:
    assert set(WORKFLOWS) == {"audit", "check", "deploy", "deploy-environment", "promote"}
    text = (REPOSITORY / "docs" / "deployment.md").read_text(encoding="utf-8")
    assert all(f"{name}.yml" in text for name in WORKFLOWS)


def test_every_action_is_pinned_by_its_commit() -> None:
    """A tag can be moved to other code; the comment says which release a commit is."""
    used = [
        line.strip()
        for path in (*WORKFLOWS.values(), SETUP, SUBJECT)
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.match(r"\s*(- )?uses: (?!\./)", line)
    ]
    assert used
    for line in used:
        assert re.fullmatch(r"(- )?uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_one_action_has_one_version() -> None:
    pins: dict[str, set[str]] = {}
    for _, step in steps():
        name, _, commit = step.get("uses", "").partition("@")
        if commit:
            pins.setdefault(name, set()).add(commit)
    assert all(len(commits) == 1 for commits in pins.values())


def test_no_key_is_stored_anywhere() -> None:
    for path in WORKFLOWS.values():
        text = path.read_text(encoding="utf-8")
        assert "secrets." not in text, path.name
        assert not re.search(r"aws[-_](access[-_]key|secret)", text, re.IGNORECASE), path.name


def test_a_workflow_may_only_read_and_a_job_says_what_it_needs_besides() -> None:
    for path in WORKFLOWS.values():
        assert load(path)["permissions"] == {"contents": "read"}, path.name
    for name, job in jobs():
        wanted = {key for key, value in job.get("permissions", {}).items() if value == "write"}
        assert wanted <= ({"id-token", "pull-requests"} if name == "check: diff" else {"id-token"}), name


def test_who_speaks_to_aws_asked_for_a_token_and_for_nothing_longer() -> None:
    speaking = {
        name for name, step in steps() if step.get("uses", "").startswith("aws-actions/configure-aws-credentials")
    }
    asking = {name for name, job in jobs() if "id-token" in job.get("permissions", {}) and "steps" in job}
    assert speaking == asking == {"check: diff", "deploy-environment: deploy", "promote: promote"}


def test_who_asks_is_said_before_aws_is_asked() -> None:
    """A role trusts a subject word for word: one that it does not know is refused without saying which it was."""
    for name, job in jobs():
        uses = [step.get("uses", "").partition("@")[0] for step in job.get("steps", [])]
        if "aws-actions/configure-aws-credentials" in uses:
            said = uses.index("./.github/actions/subject")
            assert said == uses.index("aws-actions/configure-aws-credentials") - 1, name


class _Issuer(BaseHTTPRequestHandler):
    """GitHub's address for a job's token."""

    subject = ""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        assert "audience=nobody" in asked.query, "AWS must not take this token"
        assert self.headers["Authorization"] == "bearer of the job"
        payload = base64.urlsafe_b64encode(json.dumps({"sub": self.subject}).encode()).decode().rstrip("=")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"value": f"header.{payload}.signature"}).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("subject", "says"),
    [
        ("repo:owner/name:environment:dev", "it has names alone"),
        (
            "repo:owner@17/name@4711:environment:dev",
            "it has ids: the roles' stack needs OwnerId=17 and RepositoryId=47",
        ),
    ],
)
def test_the_subject_of_a_job_is_said_and_what_it_means(subject: str, says: str, tmp_path: Path) -> None:
    (step,) = load(SUBJECT)["runs"]["steps"]
    issuer = type("Issuer", (_Issuer,), {"subject": subject})
    with ThreadingHTTPServer(("127.0.0.1", 0), issuer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = subprocess.run(
            [sys.executable, "-c", step["run"]],
            env={
                "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{server.server_port}/token?api-version=2.0",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of the job",
                "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
            },
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        server.shutdown()
    assert f"`{subject}`; {says}" in done.stdout
    assert done.stdout.strip() == (tmp_path / "summary.md").read_text(encoding="utf-8").strip()
    assert "signature" not in done.stdout


def test_the_token_of_the_checkout_is_not_left_for_later_steps() -> None:
    for name, step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, name


def test_code_of_strangers_gets_no_rights() -> None:
    for path in WORKFLOWS.values():
        assert "pull_request_target" not in load(path)["on"], path.name
    (condition,) = (job["if"] for name, job in jobs() if name == "check: diff")
    assert "head.repo.full_name == github.repository" in condition


def test_nothing_a_stranger_writes_becomes_part_of_a_script() -> None:
    """An expression is pasted into the script before a shell reads it; a variable is not."""
    for name, step in steps():
        assert "${{" not in str(step.get("run", "")), name


def test_dev_follows_main_and_prod_follows_staging() -> None:
    deploy = load(WORKFLOWS["deploy"])
    assert deploy["on"] == {"push": {"branches": ["main"]}}
    assert {name: job.get("needs") for name, job in deploy["jobs"].items()} == {
        "test": None,
        "dev": "test",
        "staging": "dev",
        "prod": "staging",
    }
    environments = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]["environments"]
    assert {job["with"]["environment"] for job in deploy["jobs"].values() if "with" in job} == set(environments) - {
        "laptop"
    }
    assert deploy["concurrency"] == {"group": "deploy", "cancel-in-progress": False}


def test_a_deployment_belongs_to_github_s_environment_of_the_same_name() -> None:
    """That is where prod's reviewers are asked, and what the role's trust names."""
    job = load(WORKFLOWS["deploy-environment"])["jobs"]["deploy"]
    assert job["environment"] == "${{ inputs.environment }}"
    assert job["env"] == {"ENV": "${{ inputs.environment }}"}


def test_workflows_run_the_commands_that_people_run() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = {command.split()[1] for command in make_commands()} - {".venv/deploy.installed"}
    assert commands == {"audit", "test", "diff", "sbom", "deploy"}
    assert commands <= targets


def test_make_deploys_by_the_command_that_refuses_what_aws_would_refuse_later() -> None:
    """`cdk` itself knows nothing of endpoints that scale, or of networks that are in use."""
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^deploy:.*\n(?:\t.+\n)*\t(.+)\n\n", makefile, re.MULTILINE)
    assert recipe is not None
    assert recipe[1] == "cxr --env $(ENV) deploy $(if $(filter never,$(APPROVAL)),--yes)"


@pytest.mark.parametrize(
    ("approval", "taken"), [("", True), ("never", True), ("broadening", True), ("any-change", False)]
)
def test_make_deploys_with_no_less_approval_than_was_asked_for(approval: str, taken: bool) -> None:
    """`cxr deploy` knows two ways; the CDK's third, which asks about every change, must not become one of them."""
    command = ["make", "--dry-run", "deploy", "ENV=dev", f"APPROVAL={approval}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == taken, done.stderr
    assert ("cxr --env dev deploy" in done.stdout) == taken
    assert ("APPROVAL=any-change" in done.stderr) != taken


def test_who_synthesises_for_aws_has_the_history() -> None:
    """In a clone of one commit that commit changed everything: each deployment would change pipelines for nothing."""
    found = {
        name: step["with"].get("fetch-depth")
        for name, job in jobs()
        if re.search(r"make (diff|deploy)", str([step.get("run") for step in job.get("steps", [])]))
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/checkout@")
    }
    assert found == {"check: diff": 0, "deploy-environment: deploy": 0}


def test_a_deployments_bill_of_materials_is_kept_with_its_run() -> None:
    """Written before anything is deployed: what no lock file accounts for is not deployed."""
    steps_of_job = load(WORKFLOWS["deploy-environment"])["jobs"]["deploy"]["steps"]
    runs = [str(step.get("run", step.get("uses", ""))).partition(" ENV=")[0] for step in steps_of_job]
    kept = next(step for step in steps_of_job if step.get("uses", "").startswith("actions/upload-artifact@"))

    assert runs.index("make sbom") == steps_of_job.index(kept) - 1
    assert steps_of_job.index(kept) < runs.index("make deploy")
    assert kept["with"]["path"] == "build/cxr-${{ inputs.environment }}.cdx.json"
    assert kept["with"]["if-no-files-found"] == "error"


@pytest.mark.parametrize("workflow", ["check", "deploy"])
def test_everything_that_must_hold_is_checked_first(workflow: str) -> None:
    assert "make test" in [step.get("run") for step in load(WORKFLOWS[workflow])["jobs"]["test"]["steps"]]


def test_a_model_reaches_prod_by_a_person_s_hand_and_with_prod_s_reviewers() -> None:
    promote = load(WORKFLOWS["promote"])
    assert list(promote["on"]) == ["workflow_dispatch"]
    assert promote["jobs"]["promote"]["environment"] == "prod"


def test_a_promotion_reads_with_one_role_and_writes_with_another() -> None:
    """The last step uses the target's credentials; the profile that the command names holds the source's."""
    steps_ = load(WORKFLOWS["promote"])["jobs"]["promote"]["steps"]
    roles = [step["with"]["role-to-assume"] for step in steps_ if "role-to-assume" in step.get("with", {})]
    assert roles == ["${{ vars.AWS_PROMOTE_SOURCE_ROLE_ARN }}", "${{ vars.AWS_PROMOTE_ROLE_ARN }}"]
    runs = [step["run"] for step in steps_ if "run" in step]
    assert "--profile source" in runs[1]
    assert 'promote "$VERSION" --to prod --from-profile source' in runs[2]


def test_no_job_runs_for_ever() -> None:
    for name, job in jobs():
        assert "uses" in job or job["timeout-minutes"] <= 90, name


def test_a_deployments_session_outlasts_the_longest_update_of_an_endpoint() -> None:
    """A session that ends while the CDK waits leaves a deployment that nobody follows."""
    context = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]
    longest = max(
        settings.endpoint.rollout.longest_seconds
        for environment in context["environments"]
        if isinstance((settings := Settings.load({**context, "env": environment})).endpoint, RealtimeEndpoint)
    )
    deploy = (REPOSITORY / ".github" / "workflows" / "deploy-environment.yml").read_text(encoding="utf-8")
    (asked,) = re.findall(r"role-duration-seconds: (\d+)", deploy)
    assert longest < int(asked) <= SESSION_SECONDS


def test_known_vulnerabilities_are_asked_for_weekly_and_where_lock_files_change() -> None:
    """Advisories come without a change of this repository."""
    audit = load(WORKFLOWS["audit"])
    assert audit["on"]["schedule"]
    assert "requirements/**" in audit["on"]["pull_request"]["paths"]
    assert "make audit" in [step.get("run") for step in audit["jobs"]["audit"]["steps"]]
