"""The process that is the embedded cloud. `local.supervisor` starts it with what MiniStack reads on import."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from pathlib import Path

from local.cloud import EmbeddedCloud
from local.core import emulator
from local.core.bootstrap import bootstrap

logger = logging.getLogger("local")


def main() -> None:
    """Serve until SIGTERM, or until standard input ends because the process that started this one is gone."""
    logging.basicConfig(level=os.environ["LOG_LEVEL"], format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    host, port = os.environ["BIND_HOST"], int(os.environ["GATEWAY_PORT"])
    cloud = EmbeddedCloud(
        endpoint_url=f"http://{host}:{port}",
        account=os.environ["MINISTACK_ACCOUNT_ID"],
        region=os.environ["MINISTACK_REGION"],
        state_dir=Path(os.environ["LAPTOP_STATE_DIR"]),
    )
    cloud.install()
    status = 0
    # Not asyncio.run, which waits for every thread: requests may wait for processes that are gone, and there is no
    # state to write.
    try:
        asyncio.new_event_loop().run_until_complete(_serve(cloud, host, port))
    except Exception:
        logger.exception("The embedded cloud failed.")
        status = 1
    logging.shutdown()
    os._exit(status)


async def _serve(cloud: EmbeddedCloud, host: str, port: int) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    def wait_for_end_of_input() -> None:
        while os.read(0, 1):
            continue
        loop.call_soon_threadsafe(stopping.set)

    threading.Thread(target=wait_for_end_of_input, daemon=True).start()
    server = asyncio.create_task(emulator.serve(host, port, stopping))
    prepared = asyncio.create_task(asyncio.to_thread(bootstrap, cloud))
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({server, prepared, stop}, return_when=asyncio.FIRST_COMPLETED)
    if not stop.done():
        if server.done():
            server.result()
        prepared.result()
        # The supervisor waits for this file: everything a deployment needs is there.
        Path(os.environ["LAPTOP_READY_FILE"]).touch()
        loading = asyncio.create_task(asyncio.to_thread(emulator.preload))
        await asyncio.wait({server, stop}, return_when=asyncio.FIRST_COMPLETED)
        loading.cancel()
    asked = stop.done()
    await asyncio.to_thread(cloud.shutdown)
    await asyncio.wait({server}, timeout=3)
    if server.done():
        server.result()
    if not asked:
        raise RuntimeError("The emulator stopped serving, which nobody asked it to.")


if __name__ == "__main__":
    main()
