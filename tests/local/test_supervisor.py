"""A second start is refused before it touches anything of the running one."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from local.laptop import Laptop
from local.supervisor import Server, ServerError, _locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "cloud"
    for name in ("jobs", "tmp", "endpoints"):
        (folder / name).mkdir(parents=True)
        (folder / name / "progress").write_bytes(b"hours of training")
    return folder


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as running:
        running.bind(("127.0.0.1", 0))
        running.listen()
        yield running.getsockname()[1]


def everything(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_taken_port_is_refused_and_nothing_is_deleted(state: Path, taken: int) -> None:
    before = everything(state)
    for start in (Laptop(state_dir=state, port=taken).start, Server(taken, state).start):
        with pytest.raises(ServerError, match=f"Port {taken} of 127.0.0.1 is in use"):
            start()
    assert everything(state) == before


def test_a_folder_in_use_is_refused_on_another_port_too(state: Path) -> None:
    before = everything(state)
    with _locked(state):
        for start in (Laptop(state_dir=state, port=0).start, Server(1, state).start):
            with pytest.raises(ServerError, match="Another embedded cloud is running in"):
                start()
    assert everything(state) == before


def test_a_folder_can_be_used_again_after_its_cloud_has_ended(state: Path) -> None:
    _locked(state).close()
    _locked(state).close()
