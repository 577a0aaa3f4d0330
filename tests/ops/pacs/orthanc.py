"""A real archive: Debian's Orthanc with its DICOMweb plugin, which only an address of 127.0.0.1 leads to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

PLUGIN = Path(os.environ.get("ORTHANC_DICOMWEB", "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"))
_NETWORK = Path(__file__).with_name("orthanc_network.py")
_PORT = "8042"  # in the network of its own, where nothing else is


class Orthanc:
    """Started in a folder, with further settings of its configuration.

    Attributes:
        url: of its REST API; `dicomweb` that of its DICOMweb service.
        pid: of a process in its network.
    """

    def __init__(self, folder: Path, settings: dict[str, Any] | None = None) -> None:
        folder.mkdir(parents=True)
        configuration = {
            "StorageDirectory": f"{folder}/db",
            "IndexDirectory": f"{folder}/db",
            "Plugins": [str(PLUGIN)],
            "HttpPort": int(_PORT),
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomServerEnabled": False,
            **(settings or {}),
        }
        (folder / "orthanc.json").write_text(json.dumps(configuration))
        # Not in the folder: the path of such a socket has at most 107 characters (unix(7)).
        self._socket = Path(f"/tmp/orthanc-{os.getpid()}-{id(self)}")
        log = folder / "orthanc.log"
        with log.open("wb") as errors:
            inside = [
                "unshare",
                "-rn",
                sys.executable,
                _NETWORK,
                "inside",
                self._socket,
                _PORT,
                folder / "orthanc.json",
            ]
            self._inside = subprocess.Popen(inside, stdout=errors, stderr=errors, start_new_session=True)
        self.pid = self._inside.pid
        outside = [sys.executable, _NETWORK, "outside", self._socket]
        self._outside = subprocess.Popen(outside, stdout=subprocess.PIPE, text=True)
        assert self._outside.stdout is not None
        self.url = f"http://127.0.0.1:{self._outside.stdout.readline().strip()}"
        self.dicomweb = f"{self.url}/dicom-web"
        self._await(log)

    def _await(self, log: Path) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._inside.poll() is None:
            try:
                requests.get(f"{self.url}/system", timeout=10).raise_for_status()
            except requests.RequestException:
                time.sleep(0.1)
            else:
                return
        self.stop()
        raise AssertionError(f"Orthanc did not start: {log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """End the program, and forget what it stored."""
        os.killpg(self._inside.pid, signal.SIGTERM)
        self._inside.wait(timeout=60)
        self._outside.terminate()
        self._outside.communicate(timeout=60)
        self._socket.unlink(missing_ok=True)


def skip_without_orthanc() -> None:
    """Skip who asks, with the reason, where Orthanc cannot be started."""
    if shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin") is None or not PLUGIN.exists():
        pytest.skip("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")
    tried = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("Orthanc gets no network of its own here (unshare -rn), and would listen on every address")
