"""Files that a deployment uploads, staged so that the same commit gives the same bytes.

Each staged path carries a digest of its content: two synths at once never write the same place, and an unchanged source
is staged once.
"""

import gzip
import hashlib
import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"


def stage_function(name: str, *, root: Path = ROOT, build: Path = BUILD) -> Path:
    """A folder with the package `lambdas` holding only this handler, as Lambda unpacks it.

    Args:
        name: folder below `lambdas/`.
        root: where `lambdas/` is.
        build: where to stage.

    Raises:
        FileNotFoundError: there is no such handler.
    """
    package = root / "lambdas"
    if not (package / name).is_dir():
        raise FileNotFoundError(f"{package / name} does not exist: no source for the function {name!r}.")
    files = {"lambdas/__init__.py": package / "__init__.py"}
    files |= {f"lambdas/{name}/{path}": package / name / path for path in _sources(package / name)}
    target = build / f"{name}-{_digest(files)}"
    if not target.exists():
        with _beside(target) as temporary:
            for inside, source in files.items():
                destination = temporary / inside
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, destination)
                destination.chmod(0o644)
            _publish(temporary, target)
    return target


def stage_source_code(*, root: Path = ROOT, build: Path = BUILD) -> tuple[Path, str]:
    """`model_code/` as one `.tar.gz` for every step, and a hash that depends on nothing but the files.

    The archive's bytes may differ between builds of zlib; its hash, which names the object in S3, does not.

    Args:
        root: where `model_code/` is.
        build: where to stage.
    """
    package = root / "model_code"
    files = {f"model_code/{path}": package / path for path in _sources(package)}
    digest = _digest(files)
    target = build / f"source-{digest}" / "source.tar.gz"
    if not target.exists():
        with _beside(target.parent) as temporary:
            (temporary / target.name).write_bytes(gzip.compress(_tar(files), mtime=0))
            _publish(temporary, target.parent)
    return target, digest


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


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
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
