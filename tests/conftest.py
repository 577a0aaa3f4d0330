"""Set-up of all tests: where the real radiographs are, which tests run side by side, what collecting may import."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

REPOSITORY = Path(__file__).resolve().parents[1]
# Real radiographs are never part of the repository (their licence asks for attribution, their size for patience).
RADIOGRAPHS = Path(os.environ.get("CXR_RADIOGRAPHS", REPOSITORY.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def radiographs() -> Path:
    """The folder with `chest_xray/`, `chest_xray_original/` and `manifest.csv`; skips where it is absent."""
    if not (RADIOGRAPHS / "manifest.csv").is_file():
        pytest.skip(f"no real radiographs at {RADIOGRAPHS}: name their folder in CXR_RADIOGRAPHS")
    return RADIOGRAPHS


@pytest.fixture(scope="session", autouse=True)
def _descriptions_of_apis_read_once() -> Iterator[None]:
    """Read each of botocore's files once a process.

    The sessions of botocore each read the descriptions of their services anew, which takes a tenth of a second and more
    of each test that makes one. Within a session, all clients share what was read.
    """
    from botocore.loaders import JSONFileLoader

    read = JSONFileLoader.load_file
    kept = functools.cache(lambda path: read(JSONFileLoader(), path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _loader, path: kept(path))
        yield


def pytest_configure() -> None:
    """Collect cyclic garbage less often than Python does on its own.

    A worker holds a million objects of TensorFlow, the CDK and botocore, which each full collection walks. By default
    that took 8.5 % of the processor time of tests/model_code/{test_evaluate,export,network/test_out_of_distribution}
    and 12 % of tests/lambdas/predict with tests/infra/api; so it takes 4 % and 3 % (2026-11-30, two cores).
    """
    gc.set_threshold(50_000, 10, 10)


# Libraries that take long to import, for workers that collect all tests and run a part of them. A module of tests that
# needs one imports it in its `setup_module`, or in the fixture or function that does.
HEAVY = frozenset(
    {
        *("aws_cdk", "cdk_nag", "cfnlint", "highdicom", "keras", "matplotlib", "moto", "openapi_spec_validator"),
        *("playwright", "sagemaker", "schemathesis", "scipy.stats", "sklearn", "tensorflow"),
    }
)
_IMPORTED: dict[str, str] = {}


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Note which file's collection imported a heavy library first."""
    before = HEAVY & sys.modules.keys()
    report = yield
    _IMPORTED.update(dict.fromkeys((HEAVY & sys.modules.keys()) - before, collector.nodeid))
    return report


@pytest.fixture(scope="session")
def imported_when_collected() -> dict[str, str]:
    """The heavy libraries that collecting imported, and the file that did first."""
    return _IMPORTED


# Modules that take minutes and share nothing with their folder: another worker may take them.
_ALONE = frozenset(
    {
        "model_code/network/test_faithfulness.py",
        "model_code/serving/test_container_contract.py",
        "model_code/test_train.py",
        "system/test_release_under_load.py",
        "system/test_retaining.py",
        "system/test_upgrade.py",
    }
)


# Folders that take minutes of processor time, the longest first: one that began last would run alone at the end.
_LONG = ("model_code", "infra", "local", "policy")


# Folders within one, with half of its tests and none of its slow fixtures: another worker may take them too.
_APART = frozenset({"model_code/dicom"})


def _file(nodeid: str) -> str:
    """The path of a test's module, from the folder of all tests."""
    return nodeid.partition("::")[0].removeprefix("tests/")


class FolderScheduling(LoadScopeScheduling):
    """Keeps a folder's tests on one worker, in order: they share slow fixtures."""

    def _split_scope(self, nodeid: str) -> str:
        file = _file(nodeid)
        within = "/".join(file.split("/")[:2])
        return file if file in _ALONE else within if within in _APART else file.partition("/")[0]


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are processors: whole-stack tests mostly wait."""
    return 1 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FolderScheduling:
    """Scheduler by which `pytest -n` deals out the tests."""
    return FolderScheduling(config, log)


_TOLD: dict[int, str] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell the failure of a fixture that tests share once: the others name the test under which it is told.

    A fixture of a module or the session that failed is not set up again. Each test that needs it gets the same
    exception, the very object, which stays alive in the fixture.
    """
    report = yield
    if report.when != "setup" or not report.failed or call.excinfo is None:
        return report
    error = call.excinfo.value
    if id(error) in _TOLD:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        report.longrepr = f"As told under {_TOLD[id(error)]}: {reason[:300]}"
        report.sections = []
    else:
        _TOLD[id(error)] = item.nodeid
        _KEPT.append(error)
    return report


# So that no other exception gets the identity of one that was told.
_KEPT: list[BaseException] = []


# Fixtures that start the CDK.
_SYNTHESISING = frozenset({"assemblies", "audited", "coded", "gated", "isolated", "templates", "tuned"})


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; of the modules that share a deployed stack, the last takes it away."""
    in_order = ("test_path.py", "", "test_removal.py")

    def place(item: pytest.Item) -> tuple[bool, bool, int, int, str]:
        name, system = item.path.name, "system" in item.path.parts
        file = _file(item.nodeid)
        folder = file.partition("/")[0]
        rank = _LONG.index(folder) if folder in _LONG else len(_LONG)
        # Their order is that of their names, in whichever folder they lie.
        within = in_order.index(name if name in in_order else "")
        return not system, file not in _ALONE, rank, within, name if system else ""

    items.sort(key=place)
    for item in items:
        synthesises = {"infra", "policy"}.intersection(item.path.parts) or _SYNTHESISING.intersection(
            getattr(item, "fixturenames", ())
        )
        if synthesises:
            item.add_marker(pytest.mark.synth)
