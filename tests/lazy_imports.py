"""Lazy import of heavy libraries: collecting a test module costs its own code, and a test pays for what it uses.

Not `importlib.util.LazyLoader`: before Python 3.12 the second `import` statement of a module loads it.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

LIBRARIES = frozenset(
    {
        "cfnlint",
        "keras",
        "matplotlib",
        "moto",
        "playwright.sync_api",
        "pydicom",
        "sagemaker",
        "scipy",
        "scipy.optimize",
        "scipy.stats",
        "sklearn",
        "tensorflow",
    }
)
# Modules that need such a library to be imported at all, for a base class, and those that import names from them.
MODULES = frozenset(
    {
        "infra.api.firewall",
        "infra.api.gateway_responses",
        "infra.endpoint.serving_container",
        "infra.training.sagemaker_pipeline",
        "infra.training.training_pipeline",
        "local.core.registry",
        "model_code.data.shortcuts",
        "model_code.evaluate",
        "model_code.evaluation.scoring",
        "model_code.export.litert",
        "model_code.export.saved_model",
        "model_code.reports.saliency_pictures",
        "model_code.split_dataset",
        "model_code.train",
        "model_code.training.training_loop",
        "policy.schemas",
        "policy.synthesis",
        "tests.infra.assertions",
    }
)
_LOADING = threading.RLock()


class _LazyModule(ModuleType):
    """A module whose code runs when an attribute that it has not yet is asked for."""

    def __getattr__(self, name: str) -> Any:
        # pytest asks every object of a test module for `__test__`, `__bases__` and more of the kind while it collects.
        asked_by_pytest = name == "_mock_name" or (name.startswith("__") and name != "__version__")
        if asked_by_pytest or not load(self):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)
        return getattr(sys.modules[self.__name__], name)


class _LazyLoader(Loader):
    """Another loader, put off."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _LazyModule


def load(module: ModuleType) -> bool:
    """Run a lazy module's code, once; False if it ran already, or runs in this thread."""
    with _LOADING:
        spec = module.__spec__
        if spec is None or not isinstance(spec.loader, _LazyLoader):
            return False
        module.__loader__ = spec.loader = spec.loader.loader
        with warnings.catch_warnings():
            # numpy and these libraries warn about each other while they are imported; no test can answer for that.
            warnings.simplefilter("ignore")
            spec.loader.exec_module(module)
        module.__class__ = ModuleType
        return True


class LazyImports(MetaPathFinder):
    """Finder of the heavy libraries, and of the modules that need them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification of a heavy module with a lazy loader; None for every other module."""
        package, _, rest = fullname.partition(".")
        if rest and package in LIBRARIES:  # a submodule relies on its package
            load(sys.modules[package])
        if fullname not in LIBRARIES | MODULES:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _LazyLoader(spec.loader)
        return spec


def install() -> None:
    """Import the heavy libraries lazily in this process from here on."""
    if not any(isinstance(finder, LazyImports) for finder in sys.meta_path):
        sys.meta_path.insert(0, LazyImports())
