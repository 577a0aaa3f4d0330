"""The network that training saved is read again, or the reason is told."""

from __future__ import annotations

import tarfile

import pytest

from model_code.contract.job import JobError


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global float32_network
    from model_code.evaluation import float32_network


@pytest.mark.parametrize("content", [b"no archive", None], ids=["no archive", "without a network"])
def test_a_training_output_without_the_network_is_a_sentence(tmp_path, content):
    archive = tmp_path / "output.tar.gz"
    if content is None:
        with tarfile.open(archive, "w:gz"):
            pass
    else:
        archive.write_bytes(content)
    with pytest.raises(JobError, match=r"The training output output\.tar\.gz has no network to compare with"):
        float32_network.reference_network(archive, tmp_path)
