"""Orthanc where nobody but one address of 127.0.0.1 reaches it, in two processes.

Debian 12's Orthanc 1.10 listens on every address whatever is configured (HttpBindAddresses came later), so it gets a
network of its own, which holds nothing but a loopback interface. A socket in the file system leads into it.

    unshare -rn python orthanc_network.py inside SOCKET PORT CONFIGURATION    starts Orthanc, which listens on PORT
    python orthanc_network.py outside SOCKET                                 prints which port of 127.0.0.1 leads there
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_SET_INTERFACE_FLAGS, _UP_AND_RUNNING = 0x8914, 0x41


def bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_INTERFACE_FLAGS, struct.pack("16sh", b"lo", _UP_AND_RUNNING))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


def joined_with(connect: Callable[[], Awaitable[Connection]]) -> Callable[..., Awaitable[None]]:
    """Callback that carries bytes between a connection and another one that it makes, until both have ended."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            further, back = await connect()
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, back), copy(further, writer))
        back.close()
        writer.close()

    return carry


async def inside(path: str, port: str, configuration: str) -> None:
    bring_loopback_up()
    server = await asyncio.create_subprocess_exec("Orthanc", configuration)
    await asyncio.start_unix_server(joined_with(lambda: asyncio.open_connection("127.0.0.1", int(port))), path)
    await server.wait()


async def outside(path: str) -> None:
    server = await asyncio.start_server(joined_with(lambda: asyncio.open_unix_connection(path)), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin"
    asyncio.run({"inside": inside, "outside": outside}[sys.argv[1]](*sys.argv[2:]))
