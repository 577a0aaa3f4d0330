"""`python -m local`: the embedded cloud on 127.0.0.1, until Ctrl-C or SIGTERM. Nothing it started outlives it.

    python -m local [--port 4566] [--state-dir .laptop]

prints one line when it is ready, with the variables a shell needs to talk to it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from local.supervisor import ACCOUNT, HOST, REGION, Server, ServerError


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m local", description="The embedded cloud on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=int(os.environ.get("GATEWAY_PORT", "4566")))
    parser.add_argument("--state-dir", type=Path, default=Path(".laptop"))
    arguments = parser.parse_args()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    server = Server(arguments.port, arguments.state_dir)
    try:
        server.start()
        print(
            f"Ready: AWS_ENDPOINT_URL=http://{HOST}:{arguments.port} AWS_ACCESS_KEY_ID=test "
            f"AWS_SECRET_ACCESS_KEY=test AWS_REGION={REGION} (account {ACCOUNT})",
            flush=True,
        )
        server.wait()
    except KeyboardInterrupt:
        return 0
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
