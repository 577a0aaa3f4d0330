"""The Python service of `container_replay`: gunicorn with one worker of gevent's, as `serve.py` starts it.

Run by path, with the handlers' folders first on PYTHONPATH; takes the listening socket's number.
"""

import gevent.monkey

gevent.monkey.patch_all()

import collections  # noqa: E402
import importlib.util  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

import falcon  # noqa: E402
import requests  # noqa: E402
from gunicorn.app.base import BaseApplication  # noqa: E402

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
JSON = "application/json"
SECONDS = 60
Context = collections.namedtuple(
    "Context",
    "model_name model_version method rest_uri grpc_port channel custom_attributes request_content_type accept_header "
    "content_length timeout",
)
# tfs-* attribute: what it may be, and what the refusal says.
ALLOWED = {
    "tfs-model-name": (r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", "invalid tfs-model-name"),
    "tfs-model-version": (r"\d+", "invalid tfs-model-version: must be a positive integer"),
    "tfs-method": ("predict|classify|regress", "invalid tfs-method: must be one of predict|classify|regress"),
}


def context_of(request: Any) -> Context:
    """Context for a handler; ValueError for an attribute that must not become part of a path."""
    header = request.get_header(ATTRIBUTES)
    found = dict(one.split("=", 1) for one in re.findall(r"(tfs-[a-z\-]+=[^,]+)", header or ""))
    for name, (pattern, refusal) in ALLOWED.items():
        if name in found and not re.fullmatch(pattern, found[name]):
            raise ValueError(refusal)
    model, version, method = (found.get(name) for name in ALLOWED)
    path = f"{model or 'model'}{f'/versions/{version}' if version else ''}:{method or 'predict'}"
    return Context(
        *(model, version, method, f"http://localhost:{os.environ['TFS_REST_PORTS']}/v1/models/{path}", "9000", None),
        *(header, request.get_header("Content-Type") or JSON, request.get_header("Accept") or JSON),
        *(request.content_length, SECONDS),
    )


def handlers_of(script: str) -> Any:
    """`handler`, or the other two with the container's own request between them."""
    specification = importlib.util.spec_from_file_location("inference", script)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    if hasattr(module, "handler"):
        return module.handler
    before, after = module.input_handler, module.output_handler

    def around(data: Any, context: Context) -> Any:
        answer = requests.post(context.rest_uri, data=before(data, context), timeout=SECONDS)
        if answer.status_code != 200:
            raise falcon.HTTPError(str(answer.status_code), description=answer.content.decode("utf-8", "replace"))
        return after(answer, context)

    return around


class Invocations:
    def __init__(self) -> None:
        self.handle = handlers_of(os.environ["INFERENCE_SCRIPT"])

    def on_post(self, request: Any, response: Any) -> None:
        try:
            context = context_of(request)
        except ValueError as error:
            response.status, response.data = falcon.HTTP_400, json.dumps({"error": str(error)}).encode()
            return
        try:
            response.text, response.content_type = self.handle(request.stream, context)
        except falcon.HTTPError:
            raise
        except Exception as error:  # noqa: BLE001 - as the container does
            response.status, response.data = falcon.HTTP_500, json.dumps({"error": str(error)}).encode()


class Ping:
    def on_get(self, _: Any, response: Any) -> None:
        response.status = falcon.HTTP_200


class Service(BaseApplication):
    def load_config(self) -> None:
        settings = {"bind": f"fd://{sys.argv[1]}", "worker_class": "gevent", "workers": 1, "threads": 1, "timeout": 60}
        settings["control_socket_disable"] = True  # it would lie in the home folder
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return application


# Before gunicorn forks its worker, as there.
application = falcon.App()
application.add_route("/ping", Ping())
application.add_route("/invocations", Invocations())

if __name__ == "__main__":
    Service().run()
