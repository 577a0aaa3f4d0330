"""Only what is read is fetched, of one version, and never more than the budget."""

import io

import pytest

from lambdas.trigger.ranged import RangedObject, ReadBudgetExceededError
from lambdas.trigger.upload import Upload

DATA = bytes(range(256)) * 40


class Bucket:
    """get_object over DATA, remembering the ranges."""

    def __init__(self, short=0, whole=False):
        self.ranges = []
        self.short = short
        self.whole = whole

    def get_object(self, *, Bucket, Key, VersionId, Range):  # noqa: N803 - boto3's names
        assert (Bucket, Key, VersionId) == ("b", "incoming/a.zip", "v1")
        first, last = (int(part) for part in Range.removeprefix("bytes=").split("-"))
        self.ranges.append((first, last))
        if self.whole:
            return {"Body": io.BytesIO(DATA)}
        return {
            "Body": io.BytesIO(DATA[first : last + 1 - self.short]),
            "ContentRange": f"bytes {first}-{last}/{len(DATA)}",
        }


def opened(bucket, budget=10_240):
    upload = Upload("b", "incoming/a.zip", "v1", len(DATA))
    return RangedObject(bucket, upload, budget=budget, block_bytes=1000)


@pytest.mark.parametrize("whole", [False, True])
def test_reads_what_a_file_would_give(whole):
    """Also from a server that ignores ranges, as RFC 9110 allows and the laptop's emulator does."""
    ours, file = opened(Bucket(whole=whole), budget=100_000), io.BytesIO(DATA)
    for offset, whence, count in [
        (0, 0, 10),
        (990, 0, 20),
        (-30, 2, 100),
        (5, 1, 5),
        (0, 0, len(DATA)),
        (20_000, 0, 1),
    ]:
        assert ours.seek(offset, whence) == file.seek(offset, whence)
        assert ours.read(count) == file.read(count)
        assert ours.tell() == file.tell()


def test_neighbouring_blocks_are_one_request_and_are_kept():
    bucket = Bucket()
    file = opened(bucket)
    file.seek(2500)
    file.read(3000)
    file.seek(2000)
    file.read(10)
    assert bucket.ranges == [(2000, 5999)]


def test_only_missing_blocks_are_fetched():
    bucket = Bucket()
    file = opened(bucket)
    file.seek(3000)
    file.read(10)
    file.seek(1000)
    file.read(5000)
    assert bucket.ranges == [(3000, 3999), (1000, 2999), (4000, 5999)]


def test_budget_is_never_passed():
    bucket = Bucket()
    file = opened(bucket, budget=2500)
    file.read(1500)
    with pytest.raises(ReadBudgetExceededError, match=r"s3://b/incoming/a\.zip"):
        file.read(2000)
    assert file.bytes_fetched == 2000


def test_short_answer_is_an_error_and_not_a_truncated_archive():
    """A dropped connection must end in another attempt, not in telling people that their file is broken."""
    with pytest.raises(OSError, match="got 999 bytes"):
        opened(Bucket(short=1)).read(1)


def test_seek_before_the_start_is_refused():
    with pytest.raises(OSError, match="before the start"):
        opened(Bucket()).seek(-1)
