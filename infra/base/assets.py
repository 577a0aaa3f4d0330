"""Assets of a deployment (functions, libraries, source code), staged so that the same commit gives the same bytes.

Each staged path carries a digest of its content: two synths at once never write the same place, and an unchanged source
is staged once. What takes longest to find out of it is remembered within a process, by content too: whoever
synthesises several environments asks for the same functions and libraries for each.
"""

import ast
import functools
import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
FUNCTION_MACHINE = "aarch64"
"""Architecture of this project's functions, whose libraries are installed for it."""
# What packages bring along for developers and nothing here imports: more than half of the files of the `dicom` group.
_DEVELOPERS = frozenset({"bin", "tests", "test_files", "include"})
_DEVELOPERS_SUFFIXES = frozenset({".a", ".h", ".pyi", ".pyx", ".pxd"})

# Packages of this repository that a function may import from.
_OWN = frozenset({"dicom_results", "lambdas", "model_code"})


def stage_function(name: str, *, module: str = "handler", root: Path = ROOT, build: Path = BUILD) -> Path:
    """A folder with only this handler and what it imports of this repository, as Lambda unpacks it.

    Args:
        name: folder below `lambdas/`.
        module: module of that folder, whose imports are followed.
        root: folder with `lambdas/`, `model_code/` and `dicom_results/`.
        build: folder to stage in.

    Raises:
        FileNotFoundError: there is no such handler.
    """
    files = _function(name, module, root)
    target = build / f"{name}-{_digest(files)}"
    if not target.exists():
        with _temporary_folder(target) as temporary:
            for inside, source in files.items():
                destination = temporary / inside
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, destination)
                destination.chmod(0o644)
            _publish(temporary, target)
    return target


def stage_function_with_libraries(
    name: str,
    group: str,
    *,
    module: str = "handler",
    root: Path = ROOT,
    build: Path = BUILD,
) -> tuple[Path, str]:
    """The function's folder and its libraries as one `.zip`, and a hash that depends on the sources and the lock file.

    One file, because the CDK copies what is staged into every synthesis, and a hash of its own, because reading a
    hundred megabytes at each would tell no more than the lock file does.

    Args:
        group: dependency group that `make libraries` installed.
        root: folder with `lambdas/`, `model_code/`, `requirements/` and `.venv/libraries/`.

    Raises:
        FileNotFoundError: there is no such handler, or its libraries are not there as the lock file names them.
    """
    files = _function(name, module, root)
    installed, lock = libraries(group, FUNCTION_MACHINE, root=root)
    rules = "\0".join([lock, FUNCTION_MACHINE, *sorted(_DEVELOPERS | _DEVELOPERS_SUFFIXES)])
    digest = hashlib.sha256(f"{_digest(files)}\0{rules}".encode()).hexdigest()
    target = build / f"{name}-{digest}" / "function.zip"
    if not target.exists():
        with _temporary_folder(target.parent) as temporary:
            _zip(files | installed, temporary / target.name)
            _publish(temporary, target.parent)
    return target, digest


def libraries(group: str, machine: str, *, root: Path = ROOT) -> tuple[dict[str, Path], str]:
    """Files of a vendored dependency group by their path in a deployment, and the SHA-256 of its lock file.

    Args:
        group: dependency group of pyproject.toml with a lock file of its own in `requirements/`.
        machine: `aarch64` or `x86_64`.
        root: folder with `requirements/` and `.venv/libraries/`.

    Raises:
        FileNotFoundError: the folder is missing, or was installed from another lock file.
    """
    folder, lock = root / ".venv" / "libraries" / f"{group}-{machine}", root / "requirements" / f"{group}.txt"
    named, marker = lock.read_bytes(), folder / ".installed"
    if not marker.is_file() or marker.read_bytes() != named:
        raise FileNotFoundError(f"{folder} does not hold what requirements/{group}.txt names: run `make libraries`.")
    return {path: folder / path for path in _installed(folder, named)}, hashlib.sha256(named).hexdigest()


@functools.lru_cache
def _installed(folder: Path, named: bytes) -> tuple[str, ...]:
    """Paths of what the lock file `named` installed into a folder, without what is for developers."""
    del named
    return tuple(
        path
        for path in _sources(folder)
        if Path(path).suffix not in _DEVELOPERS_SUFFIXES and _DEVELOPERS.isdisjoint(Path(path).parts[:-1])
    )


def stage_libraries(
    group: str, *, machine: str, unused: frozenset[str] = frozenset(), root: Path = ROOT, build: Path = BUILD
) -> tuple[Path, str]:
    """A vendored dependency group as one `.zip`, and a hash that depends on its lock file.

    Args:
        machine: that it was installed for.
        unused: names of files, folders and packages' metadata to leave out.

    Raises:
        FileNotFoundError: the libraries are not there as the lock file names them.
    """
    installed, lock = libraries(group, machine, root=root)
    rules = "\0".join([lock, machine, *sorted(_DEVELOPERS | _DEVELOPERS_SUFFIXES | unused)])
    digest = hashlib.sha256(rules.encode()).hexdigest()
    target = build / f"{group}-{digest}" / "libraries.zip"
    if not target.exists():
        with _temporary_folder(target.parent) as temporary:
            kept = {path: file for path, file in installed.items() if unused.isdisjoint(_known_as(path))}
            _zip(kept, temporary / target.name)
            _publish(temporary, target.parent)
    return target, digest


def _known_as(path: str) -> set[str]:
    """Names that a file can be left out by: of its folders, its own, and of the package whose metadata it is."""
    parts = Path(path).parts
    package, _, rest = parts[0].partition("-")
    return {*parts, package} if rest.endswith(".dist-info") else set(parts)


def stage_source_code(*, root: Path = ROOT, build: Path = BUILD) -> tuple[Path, str]:
    """`model_code/` as one `.tar.gz` for every step, and a hash that depends on nothing but the files.

    The archive's bytes may differ between builds of zlib; its hash, which names the object in S3, does not.

    Args:
        root: folder with `model_code/`.
        build: folder to stage in.
    """
    package = root / "model_code"
    files = {f"model_code/{path}": package / path for path in _sources(package)}
    digest = _digest(files)
    target = build / f"source-{digest}" / "source.tar.gz"
    if not target.exists():
        with _temporary_folder(target.parent) as temporary:
            (temporary / target.name).write_bytes(gzip.compress(_tar(files), mtime=0))
            _publish(temporary, target.parent)
    return target, digest


def source_revision(*, root: Path = ROOT) -> str:
    """The commit that last changed `model_code/`, `-dirty` where files differ from it; `unknown` outside git.

    Not the newest commit: the pipelines would change with every deployment, and the code would be the same. A clone
    without history (`git clone --depth 1`) knows no other, which is why the workflows that deploy fetch all of it.
    """
    git = shutil.which("git")
    if git is None:
        return "unknown"
    asked = [
        [git, "log", "-1", "--format=%h", "--abbrev=12", "--", "model_code"],
        [git, "status", "--porcelain", "--", "model_code"],
    ]
    answers = [subprocess.run(command, cwd=root, capture_output=True, text=True, check=False) for command in asked]  # noqa: S603
    commit, changed = (answer.stdout.strip() for answer in answers)
    if any(answer.returncode for answer in answers) or not commit:
        return "unknown"
    return f"{commit}-dirty" if changed else commit


def _function(name: str, module: str, root: Path) -> dict[str, Path]:
    """Files of a function by their path in it: its handler's module, and what that imports of this repository.

    A package's files that are no Python go with it.
    """
    handler = f"lambdas/{name}/{module}.py"
    if not (root / handler).is_file():
        raise FileNotFoundError(f"{root / handler} does not exist: no source for the function {name!r}.")
    needed, files, packages = [handler], dict[str, Path](), set[Path]()
    while needed:
        inside = needed.pop()
        if inside in files:
            continue
        files[inside] = root / inside
        package = Path(inside).parent
        if package not in packages:
            packages.add(package)
            beside = (package / path for path in _sources(root / package) if not path.endswith(".py"))
            files |= {path.as_posix(): root / path for path in beside if _package_of(path, root) == package}
        needed += _imported(inside, root)
    return dict(sorted(files.items()))


def _package_of(path: Path, root: Path) -> Path:
    """The nearest folder above a file that holds Python: `static/` belongs to the package that it lies in."""
    return next(above for above in path.parents if any((root / above).glob("*.py")))


def _imported(inside: str, root: Path) -> list[str]:
    """Files of this repository that a module's import statements run, those in functions too.

    Args:
        inside: the module's path below `root`.
        root: folder with the packages.
    """
    files: dict[str, None] = {}
    # The packages around the module itself are imported before it.
    for name in (*_imports((root / inside).read_bytes(), inside), inside.removesuffix(".py").replace("/", ".")):
        parts = name.split(".")
        if parts[0] not in _OWN:
            continue
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            files |= dict.fromkeys(file for file in (f"{path}.py", f"{path}/__init__.py") if (root / file).is_file())
    return list(files)


@functools.lru_cache(maxsize=1024)
def _imports(content: bytes, inside: str) -> tuple[str, ...]:
    """Modules that the import statements of a module of this content may mean."""
    return tuple(name for node in _running(ast.parse(content)) for name in _names(node, inside))


def _running(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements of a module, but not those for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and ast.unparse(node.test).removeprefix("typing.") == "TYPE_CHECKING":
            for other in node.orelse:
                yield from _running(ast.Module([other], []))
        else:
            yield from _running(node)


def _names(node: ast.Import | ast.ImportFrom, inside: str) -> list[str]:
    """Modules that an import statement may mean: of `from a import b` both `a` and `a.b`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    above = Path(inside).parts[: -node.level] if node.level else ()
    module = ".".join((*above, *([node.module] if node.module else ())))
    return [module, *(f"{module}.{alias.name}" for alias in node.names)]


def _sources(package: Path) -> Iterator[str]:
    """Paths of a package's files relative to it, in one order everywhere, without what tools leave behind."""
    for path in sorted(package.rglob("*")):
        relative = path.relative_to(package)
        if (
            path.is_file()
            and path.suffix != ".pyc"
            and not any(part.startswith((".", "__pycache__")) for part in relative.parts)
        ):
            yield relative.as_posix()


def _digest(files: dict[str, Path]) -> str:
    digest = hashlib.sha256()
    for inside, source in files.items():
        digest.update(f"{inside}\0{source.stat().st_size}\0".encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _tar(files: dict[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for inside, source in files.items():
            content = source.read_bytes()
            member = tarfile.TarInfo(inside)  # owner, group and time are 0 unless set
            member.size = len(content)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _zip(files: dict[str, Path], target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, source in files.items():
            member = zipfile.ZipInfo(inside)  # 1980-01-01 unless set
            member.external_attr = 0o100644 << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, source.read_bytes())


@contextmanager
def _temporary_folder(target: Path) -> Iterator[Path]:
    """A temporary folder on the target's own file system, so that publishing it is one rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=".staging-"))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _publish(temporary: Path, target: Path) -> None:
    temporary.chmod(0o755)
    try:
        temporary.rename(target)
    except OSError:
        if not target.exists():  # somebody else was faster with the same content
            raise
