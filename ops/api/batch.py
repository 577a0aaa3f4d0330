"""Many images at once: copied to the data bucket, scored by a batch transform job or the asynchronous endpoint."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_code.contract import guarantee
from model_code.contract.archives import BUCKET
from ops.api import image_files, transform_job
from ops.api.predictions import COLUMNS, answer
from ops.base.errors import CommandError, ExitCode
from ops.base.output import say
from ops.base.polling import looks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from mypy_boto3_sagemaker_runtime.type_defs import InvokeEndpointAsyncInputTypeDef

    from ops.api.transform_job import Machines

PREFIX = "batches"
CONTENT_TYPES = {".jpeg": "image/jpeg", ".jpg": "image/jpeg", ".png": "image/png"}

# What InvokeEndpointAsync takes in the request itself (`Body` in botocore 1.43's service model, read 2026-11).
MAX_INLINE_BYTES = 128_000

_SUFFIXES = {"image/jpeg": ".jpeg", "image/png": ".png"}
_AT_ONCE = 8
_ENDED = frozenset({"Completed", "Failed", "Stopped"})


@dataclasses.dataclass(frozen=True)
class Item:
    """One image of a batch."""

    path: str
    """What it is called where it came from: a file, or an S3 URI."""
    key: str
    """Where its copy is in the data bucket, or would be."""
    is_inline: bool = False
    """Whether there is no copy: the file itself travels in the request."""

    @property
    def name(self) -> str:
        """The copy's own name, which no other of the batch has."""
        return self.key.rpartition("/")[2]

    @property
    def content_type(self) -> str:
        """The media type, by the name's end."""
        return CONTENT_TYPES[Path(self.name).suffix]


@dataclasses.dataclass(frozen=True)
class Score:
    """Result of one image of a batch: the model's answer, or why there is none."""

    path: str
    answer: dict[str, Any] | None = None
    error: str = ""

    def row(self) -> dict[str, Any]:
        """The image's line in the summary, by `ops.api.predictions.COLUMNS`."""
        if self.answer is None:
            return {"path": self.path, "error": self.error}
        (prediction,), model = self.answer["predictions"], self.answer["model"]
        is_indeterminate = bool(prediction.get("indeterminate"))
        promised = guarantee.applied(model.get("guarantee"), prediction["label"], indeterminate=is_indeterminate)
        return {
            "path": self.path,
            "probability": prediction["probability"],
            "label": answer(prediction["label"], indeterminate=is_indeterminate),
            "indeterminate": str(is_indeterminate).lower(),
            "guaranteed": promised["predictive_value"] if promised else None,
            "threshold": model["threshold"],
            "model_version": model["package_arn"].rpartition("/")[2],
            "model_package_arn": model["package_arn"],
        }


class Store:
    """The batch's own prefix of the data bucket: `batches/<identifier>/`."""

    def __init__(self, s3: S3Client, bucket: str, identifier: str) -> None:
        self._s3, self._bucket = s3, bucket
        self.prefix = f"{PREFIX}/{identifier}"

    def uri(self, *below: str) -> str:
        """The S3 URI of something below the prefix."""
        return "/".join((f"s3://{self._bucket}", self.prefix, *below))

    def take(self, sources: Sequence[str], copied: Callable[[int], None], *, inline_bytes: int = 0) -> list[Item]:
        """Copy images into the batch, numbered in the order given.

        Args:
            sources: paths of files, or S3 URIs, which S3 copies itself.
            copied: called with 1 for each.
            inline_bytes: largest file that is not copied, because it is to travel in the request.
        """
        items = []
        for number, source in enumerate(sources, start=1):
            suffix = Path(source).suffix.lower()
            is_file = not source.startswith("s3://")
            if is_file and (found := _content_type(Path(source))) != CONTENT_TYPES.get(suffix):
                suffix = _SUFFIXES[found or ""]
            kind = CONTENT_TYPES[suffix].rpartition("/")[2]
            is_inline = is_file and 0 < Path(source).stat().st_size <= inline_bytes
            items.append(Item(source, f"{self.prefix}/input/{kind}/{number:06d}{suffix}", is_inline))

        def copy(item: Item) -> None:
            if item.path.startswith("s3://"):
                bucket, _, key = item.path.removeprefix("s3://").partition("/")
                # Without its metadata, which may say who the patient is, and its tags (a malware scanner's), which take
                # rights to tags (Seagate/cortx-prvsnr#3033, nasa/cumulus-orca#530; read 2026-11-30).
                none = {"MetadataDirective": "REPLACE", "TaggingDirective": "REPLACE"}
                ours: Any = {"Bucket": self._bucket, "Key": item.key, "ContentType": item.content_type, **none}
                self._s3.copy_object(**ours, CopySource={"Bucket": bucket, "Key": key})
            elif not item.is_inline:
                body = Path(item.path).read_bytes()
                self._s3.put_object(Bucket=self._bucket, Key=item.key, Body=body, ContentType=item.content_type)
            copied(1)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(copy, items))
        return items

    def names(self, *below: str) -> dict[str, str]:
        """The objects below a part of the prefix: keys by their last part."""
        prefix = f"{'/'.join((self.prefix, *below))}/"
        return {key.rpartition("/")[2]: key for key in keys(self._s3, self._bucket, prefix)}

    def everywhere(self, *prefixes: str) -> set[str]:
        """The keys below prefixes of the bucket."""
        return {key for prefix in prefixes for key in keys(self._s3, self._bucket, prefix)}

    def location(self, item: Item) -> str:
        """The S3 URI of an image's copy."""
        return f"s3://{self._bucket}/{item.key}"

    def read(self, key: str) -> bytes:
        """The content of an object of the bucket."""
        return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    def write(self, name: str, content: str) -> str:
        """Keep a text below the prefix; its URI."""
        key = f"{self.prefix}/{name}"
        self._s3.put_object(
            Bucket=self._bucket, Key=key, Body=content.encode(errors="backslashreplace"), ContentType="text/csv"
        )
        return self.uri(name)


def identifier() -> str:
    """A name for a batch that no other has, in the order of time."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:6]}"


def keys(s3: S3Client, bucket: str, prefix: str) -> Iterator[str]:
    """The keys below a prefix."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (entry["Key"] for entry in page.get("Contents", ()))


def sources(s3: S3Client, given: Sequence[str], tell: Callable[[str], None] = say) -> list[str]:
    """The images that arguments of the command stand for: files, files below folders, objects below S3 prefixes.

    Args:
        tell: called with a sentence about what was left out.

    Raises:
        CommandError: one of them does not exist, or there is no JPEG or PNG among them.
    """
    found: list[str] = []
    left = image_files.Found()
    dicom = 0
    for source in given:
        if source.startswith("s3://"):
            bucket, _, prefix = source.removeprefix("s3://").partition("/")
            if not re.fullmatch(BUCKET, bucket):
                raise CommandError(f"{source} names no bucket: write s3://BUCKET/PREFIX.", ExitCode.USAGE)
            names = [f"s3://{bucket}/{key}" for key in keys(s3, bucket, prefix) if not key.endswith("/")]
            if not names:
                raise CommandError(f"{source} does not exist, or there is nothing below it.", ExitCode.USAGE)
            kinds = {name: _named(name) for name in names if not name.endswith(image_files.OVERLAY_END)}
            left.overlays += len(names) - len(kinds)
        else:
            if not Path(source).exists():
                raise CommandError(f"{source} does not exist.", ExitCode.USAGE)
            local = image_files.find([Path(source)])
            if local.closed:
                raise CommandError(local.closed[0])
            kinds = {str(file): _content_type(file) for file in local.files}
            left.overlays += local.overlays
            left.others += local.others
        found += [name for name, kind in kinds.items() if kind in _SUFFIXES]
        dicom += sum(kind == image_files.DICOM for kind in kinds.values())
        left.others += sum(kind is None for kind in kinds.values())
    elsewhere = "DICOM files go through `cxr predict`"
    if not found:
        raise CommandError(f"There is no JPEG or PNG in {', '.join(given)}; {elsewhere}.")
    if left_out := left.left_out():
        tell(left_out)
    if dicom:
        tell(f"Left out: {dicom:,} DICOM files; {elsewhere}.")
    return found


def _named(name: str) -> str | None:
    """The media type by the name's end."""
    return {**CONTENT_TYPES, ".dcm": image_files.DICOM}.get(Path(name).suffix.lower())


def _content_type(file: Path) -> str | None:
    """The media type by the first bytes, else by the name's end: what is damaged gets the model's word for it."""
    return image_files.media_type(image_files.start_of(file)) or _named(file.name)


@dataclasses.dataclass(frozen=True)
class Patience:
    """Polling of a batch: interval and time limit in seconds, and the callback for progress."""

    poll: float
    timeout: float
    tell: Callable[[int], None]

    def until(self, look: Callable[[], bool], what: str) -> None:
        """Look until it is done.

        Raises:
            CommandError: with exit code 4, when it takes too long.
        """
        if not any(look() for _ in looks(self.timeout, self.poll)):
            raise CommandError(
                f"Gave up after {self.timeout / 60:.0f} minutes; {what} goes on by itself.", ExitCode.TIMED_OUT
            )


def transform(
    sagemaker: SageMakerClient,
    store: Store,
    items: Sequence[Item],
    *,
    model: str,
    machines: Machines,
    wait: Patience,
) -> list[Score]:
    """Score a batch by batch transform jobs, one for each media type, of which a job knows only one.

    Args:
        wait: for the jobs.

    Raises:
        CommandError: when it takes too long.
    """
    jobs = {}
    for content_type in sorted({item.content_type for item in items}):
        kind = content_type.rpartition("/")[2]
        jobs[content_type] = f"{store.prefix.replace('/', '-')}-{kind}"
        request = transform_job.request(
            jobs[content_type],
            model=model,
            content_type=content_type,
            source=f"{store.uri('input', kind)}/",
            output=store.uri("output", kind),
            machines=machines,
        )
        sagemaker.create_transform_job(**request)
    reasons: dict[str, str] = {}

    def look() -> bool:
        wait.tell(len(store.names("output")))
        described = {kind: sagemaker.describe_transform_job(TransformJobName=job) for kind, job in jobs.items()}
        reasons.update({kind: job.get("FailureReason", "") for kind, job in described.items()})
        return all(job["TransformJobStatus"] in _ENDED for job in described.values())

    wait.until(look, f"job {', '.join(jobs.values())}")
    answers = store.names("output")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        said = dict(zip(answers, pool.map(store.read, answers.values()), strict=True))
    return [
        _score(item, said[f"{item.name}.out"])
        if f"{item.name}.out" in said
        else Score(item.path, error=_unanswered(jobs[item.content_type], reasons[item.content_type]))
        for item in items
    ]


def queue(
    runtime: SageMakerRuntimeClient, store: Store, items: Sequence[Item], *, endpoint: str, wait: Patience
) -> list[Score]:
    """Score a batch by an asynchronous endpoint, which starts an instance for it where there is none.

    Args:
        wait: for the answers.

    Raises:
        CommandError: when it takes too long.
    """

    def ask(item: Item) -> tuple[Item, str, str]:
        given: InvokeEndpointAsyncInputTypeDef = {
            "EndpointName": endpoint,
            "ContentType": item.content_type,
            "Accept": "application/json",
        }
        if item.is_inline:
            given["Body"] = Path(item.path).read_bytes()
        else:
            given["InputLocation"] = store.location(item)
        queued = runtime.invoke_endpoint_async(**given)
        return item, _key(queued["OutputLocation"]), _key(queued["FailureLocation"])

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = list(pool.map(ask, items))
    scores: dict[str, Score] = {}

    def look() -> bool:
        there = store.everywhere(f"{PREFIX}/answers/", f"{PREFIX}/failures/")
        for item, output, failure in asked:
            if item.key in scores:
                continue
            if output in there:
                scores[item.key] = _score(item, store.read(output))
            elif failure in there:
                scores[item.key] = Score(item.path, error=_sentence(store.read(failure)))
        wait.tell(len(scores))
        return len(scores) == len(items)

    wait.until(look, f"the queue of {endpoint}")
    return [scores[item.key] for item in items]


def table(scores: Sequence[Score]) -> str:
    """The summary as CSV: one line for each image, in the order given."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(score.row() for score in scores)
    return text.getvalue()


def _score(item: Item, answer: bytes) -> Score:
    try:
        score = Score(item.path, json.loads(answer))
        score.row()
    except (ValueError, KeyError, TypeError):
        return Score(item.path, error="the model's answer could not be understood")
    return score


def _unanswered(job: str, reason: str) -> str:
    where = f"the log /aws/sagemaker/TransformJobs of {job} says why"
    return f"no answer: {reason.rstrip('.')}; {where}" if reason else f"no answer: {where}"


def _sentence(failure: bytes) -> str:
    """The container's `{"error": "<code>: <sentence>"}`, or whatever else it said."""
    said = failure.decode(errors="replace").strip()
    try:
        document = json.loads(said)
    except ValueError:
        return said
    return str(document.get("error", said)) if isinstance(document, dict) else said


def _key(uri: str) -> str:
    return uri.removeprefix("s3://").partition("/")[2]
