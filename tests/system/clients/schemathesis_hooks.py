"""Bodies that Schemathesis sends where a schema says no more than "bytes": radiographs, and what is none.

`schemathesis.toml` names this file. It runs in Schemathesis' own process; CXR_PREDICTION_ID is that of a kept
prediction, and CXR_EXAMPLE_FILES names a folder with whole files, as `<subtype of the media type>-<number>`. A schema
cannot tell those from damaged ones, so each body is one of them, or rubbish that has to be refused with the code for
it.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

FOLDER = Path(os.environ["CXR_EXAMPLE_FILES"])
PREDICTION_ID = os.environ["CXR_PREDICTION_ID"]
FILES = {
    media_type: [path.read_bytes() for path in sorted(FOLDER.glob(f"{media_type.split('/')[1]}-*"))]
    for media_type in ("image/jpeg", "image/png", "application/dicom")
}
WHOLE = frozenset(file for files in FILES.values() for file in files)
IN_BASE64 = sorted(base64.b64encode(file).decode() for file in WHOLE)
# How rubbish is to be refused, whether it came as a body or in base64.
REFUSALS = {"undecodable_image": 400, "unsupported_media_type": 415, "not_a_radiograph": 422}
# What depends on the requests before, of which a schema knows nothing either.
CONFLICTS = {"idempotency_key_reused": 422}


def bodies(media_type: str) -> st.SearchStrategy[bytes]:
    """Whole files of a type, the same cut short, files of another type, and bytes that are nothing."""
    whole = st.sampled_from(FILES[media_type])
    other = st.sampled_from([file for kind, files in FILES.items() if kind != media_type for file in files])
    cut = st.builds(lambda file, share: file[: max(1, int(share * len(file)))], whole, st.floats(0, 0.5))
    return st.one_of(whole, cut, other, st.binary(min_size=1, max_size=64))


for name in FILES:
    schemathesis.openapi.media_type(name, bodies(name))


@schemathesis.hook
def flatmap_body(context: Any, body: Any) -> st.SearchStrategy[Any]:
    """Put radiographs into well-formed documents, in which base64 drawn at random is never one."""
    if isinstance(body, dict) and list(body) == ["image"] and _decoded(body["image"]):
        return st.sampled_from([body, *({"image": text} for text in IN_BASE64)])
    return st.just(body)


@schemathesis.hook
def flatmap_path_parameters(context: Any, path_parameters: Any) -> st.SearchStrategy[Any]:
    """Name a prediction that there is, which an id drawn at random never does."""
    if isinstance(path_parameters, dict) and "prediction_id" in path_parameters:
        return st.sampled_from([path_parameters, {**path_parameters, "prediction_id": PREDICTION_ID}])
    return st.just(path_parameters)


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Name that prediction, and a radiograph, in the document's examples too, which name nobody's and a grey pixel.

    Every request that is made of an example with one fault, or none, would be refused for the example. An upload of
    an example has never been made.
    """
    for methods in raw_schema["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] == "prediction_id":
                    parameter["example"] = PREDICTION_ID
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if content.get("examples", {}).pop("UploadedImage", None):
                content["examples"]["ImageInDocument"]["value"] = {"image": IN_BASE64[0]}


@schemathesis.hook
def filter_failure(context: Any, failure: Failure, case: Any, response: Any) -> bool:
    """Whether a failure counts: rubbish that is refused in the way described for it is no failure to accept."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    if response.headers.get("content-type") != ["application/problem+json"]:
        return True
    code = response.json().get("code")
    content = _decoded(case.body.get("image")) if isinstance(case.body, dict) else case.body
    rubbish = isinstance(content, bytes) and content not in FILES.get(case.media_type, WHOLE)
    expected = {**CONFLICTS, **(REFUSALS if rubbish else {})}
    return expected.get(code) != response.status_code


def _decoded(text: Any) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError):
        return None
