"""One server of `benchmarks.serving.throughput`: a model behind the HTTP face of the laptop's serving container."""

from __future__ import annotations

import sys
from http.server import ThreadingHTTPServer
from pathlib import Path

from local.containers.serving import Handler, load_handler, request_handler


def main(kind: str, directory: Path) -> None:
    """Serve on a port of its own, which is printed, until killed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), request_handler(_handler(kind, directory), 0))
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


def _handler(kind: str, directory: Path) -> Handler | None:
    if kind.startswith("litert"):
        return load_handler(directory)
    from benchmarks.serving import throughput_peers  # noqa: PLC0415 - whose libraries are in another environment

    return throughput_peers.handler(kind, directory)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
