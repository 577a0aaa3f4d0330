"""For client developers: `cxr predict`, `store`, `batch`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.api import batch as batches
from ops.api import image_files, overlays, predictions, transform_job
from ops.base import output
from ops.base.errors import CommandError, ExitCode
from ops.commands import overview
from ops.commands.options import Env, Region, Timeout, open_workspace, writable
from ops.commands.workspace import CONNECTIONS

if TYPE_CHECKING:
    from ops.base.deployment import Deployment
    from ops.pacs import dicomweb


def predict(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="JPEG, PNG or DICOM files, or folders of them.")],
    *,
    overlay: Annotated[
        Path | None,
        typer.Option(
            "--overlay",
            metavar="DIR",
            file_okay=False,
            help="Write there each radiograph with the model's saliency over it.",
        ),
    ] = None,
    dicom: Annotated[
        Path | None,
        typer.Option(
            "--dicom",
            metavar="DIR",
            file_okay=False,
            help="Write there each DICOM file's result in DICOM: a report, and the saliency map.",
        ),
    ] = None,
    store_url: Annotated[
        str | None,
        typer.Option("--store", metavar="URL", help="Then store these in the archive with this DICOMweb address."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table: path, probability, label, ...")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line: path, probability, label, ...")
    ] = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Predict radiographs through the HTTPS API. A file that fails is named with its reason; the others go on.

    The label is NORMAL, PNEUMONIA or, where the model can tell neither, INDETERMINATE. Large files go by an upload.
    The API is asked with the deployment's own key, else with the token in CXR_API_TOKEN, else with AWS credentials.
    docs/pacs.md says what is in a result in DICOM, and how it gets into an archive.
    """
    if as_csv and as_json:
        raise CommandError("--csv and --json are two forms of one answer: choose one.", ExitCode.USAGE)
    archive = _archive_beside(dicom, store_url)
    found = _find(paths)
    files = found.files
    api = open_workspace(ctx, env, region).prediction_api()
    for folder in filter(None, (overlay, dicom)):
        folder.mkdir(parents=True, exist_ok=True)
    pictures = overlays.file_names(files)
    summary = overview.PredictionSummary("csv" if as_csv else "json" if as_json else "text")
    coded = _CodedResults(dicom)
    ask = partial(api.predict, explain=overlay is not None or dicom is not None)
    with ThreadPoolExecutor(max_workers=CONNECTIONS) as pool:
        try:
            for path, prediction in zip(files, pool.map(ask, files), strict=True):
                written = _draw(path, prediction, overlay / pictures[path]) if overlay is not None else None
                summary.add(prediction, written, coded.write(prediction))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    summary.close()
    if archive is not None:
        _store(archive, coded.written, failed=coded.failed)
    if summary.failed or found.closed or coded.failed:
        raise typer.Exit(ExitCode.FAILED)


def store(
    paths: Annotated[list[Path], typer.Argument(help="Folders that `cxr predict --dicom` wrote to, or files of them.")],
    *,
    url: Annotated[str, typer.Option("--to", metavar="URL", help="DICOMweb address of the archive.")],
) -> None:
    """Store results in DICOM in an archive, by STOW-RS. What the archive has already is not sent again.

    The archive is asked with the credentials in ~/.netrc, or with the token in CXR_PACS_TOKEN.
    """
    results, reasons = image_files.find_results(paths)
    for reason in reasons:
        output.fail(reason)
    _store(_open_archive(url), results, failed=len(reasons))


def batch(
    ctx: typer.Context,
    sources: Annotated[list[str], typer.Argument(help="JPEG or PNG files, folders of them, or s3:// prefixes.")],
    *,
    summary: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", callback=writable, help="Where the summary goes (else batches-ID.csv)."
        ),
    ] = None,
    queued: Annotated[
        bool, typer.Option("--async", help="Ask the asynchronous endpoint instead of starting a batch transform job.")
    ] = False,
    instance_type: Annotated[
        str | None, typer.Option(help="Of the batch transform job (else the deployed setting).")
    ] = None,
    instance_count: Annotated[
        int | None, typer.Option(min=1, help="Of the batch transform job (else the deployed setting).")
    ] = None,
    timeout: Timeout = 120,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON for scripts: the batch, its summary and counts.")
    ] = False,
    env: Env = None,
    region: Region = None,
) -> None:
    """Score many images with the released model, and write a summary: one line for each, in the order given."""
    workspace = open_workspace(ctx, env, region)
    deployment = workspace.deployment
    store = batches.Store(workspace.s3, deployment.data_bucket, batches.identifier())
    chosen = batches.sources(workspace.s3, sources)
    # Before anything is copied: what could not be scored need not be.
    endpoint = deployment.async_endpoint if queued else None
    model = None if queued else deployment.batch_model()
    with output.count_progress("copied", len(chosen)) as copied:
        items = store.take(chosen, copied, inline_bytes=batches.MAX_INLINE_BYTES if queued else 0)
    with output.count_progress("scored", len(items), absolute=True) as tell:
        wait = batches.Patience(workspace.poll_seconds, timeout * 60, tell)
        if endpoint is not None:
            runtime = workspace.session.client("sagemaker-runtime")
            scores = batches.queue(runtime, store, items, endpoint=endpoint, wait=wait)
        else:
            machines = _machines(deployment, instance_type, instance_count)
            sagemaker = workspace.session.client("sagemaker")
            scores = batches.transform(sagemaker, store, items, model=model or "", machines=machines, wait=wait)
    text = batches.table(scores)
    written = summary or Path(f"{store.prefix.replace('/', '-')}.csv")
    written.write_text(text, encoding="utf-8", errors="backslashreplace")
    kept = store.write("summary.csv", text)
    failed = sum(score.answer is None for score in scores)
    if as_json:
        answer = {"batch": store.uri(), "summary": kept, "file": str(written)}
        output.print_json({**answer, "images": len(scores), "failed": failed})
    else:
        output.results().print(f"{len(scores) - failed} of {len(scores)} images scored: {written}", markup=False)
        output.say(f"Also at {kept}. For research use only. Not a medical device.")
    if failed:
        raise typer.Exit(ExitCode.FAILED)


def _find(paths: list[Path]) -> image_files.Found:
    """The files below paths; prints what is left out, and folders that cannot be read."""
    found = image_files.find(paths)
    if left_out := found.left_out():
        output.say(left_out)
    for reason in found.closed:
        output.fail(reason)
    if not found.files:
        raise CommandError(f"There is no JPEG, PNG or DICOM file in {', '.join(map(str, paths))}.")
    return found


def _machines(deployment: Deployment, instance_type: str | None, instance_count: int | None) -> transform_job.Machines:
    return transform_job.Machines(
        instance_type or deployment.output("endpoint", "BatchInstanceType"),
        instance_count or int(deployment.output("endpoint", "BatchInstanceCount")),
        int(deployment.output("endpoint", "BatchConcurrentRequests")),
        key_arn=deployment.data_key,
        volume_key_arn=deployment.batch_volume_key,
        tags=deployment.tags("endpoint"),
    )


class _CodedResults:
    """Writes results in DICOM to a folder, if one is named; reports each file of which none can be made."""

    def __init__(self, folder: Path | None) -> None:
        self.written: list[Path] = []
        self.failed = 0
        self._folder = folder

    def write(self, prediction: predictions.Prediction) -> list[Path]:
        """The files of an answer: none of an error, and none where the radiograph's file does not allow one."""
        if self._folder is None or prediction.error is not None:
            return []
        # Seconds of importing, for those who ask for results only.
        from dicom_results.source import NoResultError  # noqa: PLC0415
        from ops.pacs import results  # noqa: PLC0415

        try:
            files = results.write(prediction, self._folder)
        except (NoResultError, CommandError, OSError) as error:
            output.fail(f"{prediction.path}: no result in DICOM is written: {str(error).rstrip('.')}.")
            self.failed += 1
            return []
        self.written += files
        return files


def _archive_beside(folder: Path | None, url: str | None) -> dicomweb.Archive | None:
    """The archive that a folder's results go to; a wrong address is reported before anything is predicted."""
    if url is None:
        return None
    if folder is None:
        sentence = "--store sends what --dicom DIR writes, where it lies until then: name a folder."
        raise CommandError(sentence, ExitCode.USAGE)
    return _open_archive(url)


def _open_archive(url: str) -> dicomweb.Archive:
    from ops.pacs import dicomweb  # noqa: PLC0415 - only for those who store results

    archive = dicomweb.Archive(url)
    if archive.is_open_to_eavesdroppers:
        output.say(f"{url} is asked without encryption: whoever sees the network reads patients' names.")
    return archive


def _store(archive: dicomweb.Archive, files: list[Path], *, failed: int) -> None:
    """Store files, say what became of them, and end the command where one is not in the archive."""
    outcome = archive.store(files)
    for reason in outcome.failed.values():
        output.fail(reason)
    parts = [f"{len(outcome.stored)} stored"]
    parts += [f"{len(outcome.present)} there already"] if outcome.present else []
    parts += [f"{len(outcome.failed)} failed"] if outcome.failed else []
    output.say(f"{archive.url}: {', '.join(parts)}.")
    if outcome.failed or failed:
        raise typer.Exit(ExitCode.FAILED)


def _draw(path: Path, prediction: predictions.Prediction, target: Path) -> str | None:
    """Write the picture; the path it has, or None with a word about why there is none."""
    if prediction.error is not None:
        return None
    if prediction.overlay is None:
        output.say(f"{path}: the model that answered draws no overlay.")
        return None
    if prediction.overlay_empty:
        output.say(f"{path}: the saliency map is empty, nothing speaks for PNEUMONIA enough to be marked.")
    below = prediction.radiograph or path.read_bytes()
    # A DICOM file is no picture by itself, and a repeated answer does not bring one: then the overlay stands alone.
    is_dicom = image_files.media_type(below) == image_files.DICOM
    target.write_bytes(prediction.overlay if is_dicom else overlays.blend(below, prediction.overlay))
    return str(target)
