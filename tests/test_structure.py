"""The folders show the flow: small, without circles, and nothing in a folder reaches back to what lies on top of it."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PRODUCT = (
    "benchmarks",
    "dicom_results",
    "infra",
    "lambdas",
    "local",
    "model_code",
    "openapi",
    "ops",
    "pipeline",
    "policy",
)
MAX_MODULES, MAX_LINES, MAX_FUNCTION_LINES = 15, 400, 60
QUESTION = re.compile(r"(What|How|Whose|Who|Which|Where|Why|When)\b")


@cache
def sources() -> dict[str, Path]:
    """Module name to file, of the product."""
    found = {}
    for package in PRODUCT:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            name = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


@cache
def imports() -> frozenset[tuple[str, str]]:
    """Importing and imported module, wherever the statement stands: for types only and inside functions too."""
    found = set()
    for name, path in sources().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                named = [f"{node.module}.{alias.name}" for alias in node.names]
                named = [one if one in sources() else node.module for one in named]
            else:
                continue
            found |= {(name, one) for one in named if one in sources() and one != name}
    return frozenset(found)


def folder(module: str) -> str:
    return sources()[module].parent.relative_to(REPOSITORY).as_posix()


def is_package_of(package: str, module: str) -> bool:
    """Whether it is the `__init__.py` above a module, which says where its package lies."""
    return sources()[package].name == "__init__.py" and module.startswith(f"{package}.")


def circles(edges: set[tuple[str, str]]) -> set[frozenset[str]]:
    """The groups whose members all reach each other."""
    after: dict[str, set[str]] = {}
    for one, other in edges:
        after.setdefault(one, set()).add(other)

    def reached(start: str) -> set[str]:
        found, left = set(), [start]
        while left:
            new = after.get(left.pop(), set()) - found
            found |= new
            left += new
        return found

    reach = {one: reached(one) for one in after}
    return {
        frozenset(other for other in reach[one] if one in reach.get(other, ())) for one in after if one in reach[one]
    }


def modules_in_folders(files: Iterable[Path]) -> dict[str, int]:
    """Folder to its number of modules, the `__init__.py` that describes it left out."""
    return Counter(path.parent.as_posix() for path in files if path.name != "__init__.py")


def committed(name: str) -> list[Path]:
    """The files of a name that Git knows, wherever they lie: what was installed or built is no part of the project."""
    listed = subprocess.run(["git", "ls-files", "-z", name], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [Path(one) for one in listed.stdout.split("\0") if one]


def questions(source: str) -> list[int]:
    """Lines of the modules, classes and functions whose docstring begins as a question does."""
    return [
        node.body[0].lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if QUESTION.match(ast.get_docstring(node) or "")
    ]


def test_no_folder_has_more_than_fifteen_modules() -> None:
    """Those of the tests and of the repository itself too."""
    counts = modules_in_folders(committed("*.py"))
    assert {"tests", "tests/system", "benchmarks/serving", "model_code/dicom"} <= counts.keys()
    assert {folder: count for folder, count in counts.items() if count > MAX_MODULES} == {}


def test_a_sixteenth_module_is_counted() -> None:
    files = [Path("one", f"module_{number}.py") for number in range(MAX_MODULES + 1)]
    assert modules_in_folders([*files, Path("one/__init__.py"), Path("one/two/own.py")]) == {"one": 16, "one/two": 1}


def test_no_file_has_more_than_400_lines() -> None:
    files = [*sources().values(), *sorted((REPOSITORY / "tests").rglob("*.py"))]
    long = {
        path.relative_to(REPOSITORY).as_posix()
        for path in files
        if len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES
    }
    assert long == set()


def test_no_function_has_more_than_60_lines_without_its_docstring() -> None:
    """Longer ones are made of named steps."""
    long = {
        f"{name}.{node.name}"
        for name, path in sources().items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and lines_of(node) > MAX_FUNCTION_LINES
    }
    assert long == set()


def lines_of(function: ast.FunctionDef) -> int:
    described = ast.get_docstring(function, clean=False) or ""
    return (function.end_lineno or 0) - function.lineno + 1 - len(described.splitlines())


def test_no_docstring_begins_with_a_question_word() -> None:
    """It says what a thing is, or does, in product code, benchmarks and tests alike."""
    found = {str(path): questions((REPOSITORY / path).read_text(encoding="utf-8")) for path in committed("*.py")}
    assert "tests/test_structure.py" in found
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_a_docstring_that_begins_with_a_question_word_is_found() -> None:
    asking = '"""Whether it is."""\ndef one():\n    """What it is."""\nclass Two:\n    """\n    How it does."""\n'
    assert questions(asking) == [3, 5]


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(set(imports())) == set()


def test_no_folders_import_each_other_in_a_circle() -> None:
    """A folder above others composes them: what lies on top of a package is not the package's folders' concern."""
    edges = {(folder(one), folder(other)) for one, other in imports() if not is_package_of(other, one)}
    assert circles({(one, other) for one, other in edges if one != other}) == set()


def test_no_folder_imports_a_module_that_lies_on_top_of_it() -> None:
    up = {
        (folder(one), other)
        for one, other in imports()
        if folder(one).startswith(f"{folder(other)}/") and not is_package_of(other, one)
    }
    assert up == set()
