"""What every storage promises: the same on a disk, on TensorFlow's file layer, and in S3."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

import pytest

from agnews.components.storage.files import ChangedError
from agnews.components.storage.files_at import files_at
from agnews.schemas.errors import AgnewsError


@pytest.fixture(params=["disk", "ram", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty folder, or what such a storage has in place of one."""
    if request.param == "disk":
        return str(tmp_path)
    if request.param == "ram":
        return f"ram://{uuid.uuid4().hex}"
    return f"{request.getfixturevalue('bucket')}/{uuid.uuid4().hex}"


def test_a_file_is_created_once(place: str) -> None:
    files = files_at(place)
    etag = files.create(f"{place}/folder/claim", b"first")

    with pytest.raises(FileExistsError):
        files.create(f"{place}/folder/claim", b"second")

    found = files.read_tagged(f"{place}/folder/claim")
    assert (found.content, found.etag) == (b"first", etag)


def test_a_file_is_replaced_if_it_is_the_one_that_was_read(place: str) -> None:
    files, path = files_at(place), f"{place}/pointer"
    first = files.create(path, b"first")
    second = files.replace(path, b"second", first)
    assert first != second

    with pytest.raises(ChangedError):
        files.replace(path, b"third", first)
    assert files.read_tagged(path).content == b"second"

    assert files.replace(path, b"fourth", second) == files.read_tagged(path).etag
    files.replace(path, b"fifth")
    assert files.read_tagged(path).content == b"fifth"


def test_what_is_gone_cannot_be_replaced(place: str) -> None:
    files, path = files_at(place), f"{place}/pointer"
    etag = files.create(path, b"first")
    files.remove_file(path)

    with pytest.raises((ChangedError, FileNotFoundError)):
        files.replace(path, b"second", etag)
    with pytest.raises(FileNotFoundError):
        files.read_tagged(path)


def test_of_many_who_replace_at_once_one_succeeds(place: str) -> None:
    files, path = files_at(place), f"{place}/pointer"
    if not files.decides_races(place):
        pytest.skip("this storage asks for the lock")
    etag = files.create(path, b"0")
    won: list[int] = []
    barrier = threading.Barrier(8)

    def run(number: int) -> None:
        barrier.wait()
        try:
            files_at(place).replace(path, str(number).encode(), etag)
            won.append(number)
        except ChangedError:
            pass

    threads = [threading.Thread(target=run, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(number).encode() for number in won] == [files.read_tagged(path).content]


def test_one_process_after_the_other_holds_the_lock(place: str) -> None:
    files = files_at(place)
    if files.decides_races(place) and "://" in place:
        pytest.skip("this storage decides without a lock")
    with files.lock(place, 0.0), pytest.raises(TimeoutError), files_at(place).lock(place, 0.0):
        raise AssertionError("both hold it")
    with files.lock(place, 0.0):
        pass


def test_a_file_can_be_read_from_any_place(place: str) -> None:
    files, path = files_at(place), f"{place}/big"
    content = bytes(range(256)) * 20_000
    files.write(path, [content[:3_000_000], content[3_000_000:]])

    with files.open(path) as stream:
        assert stream.read(10) == content[:10]
        stream.seek(-10, 2)
        assert stream.read() == content[-10:]
        stream.seek(4_000_000)
        assert stream.read(300) == content[4_000_000:4_000_300]
    assert files.state(path).size == files.size(path) == len(content)
    if not place.startswith("ram:"):  # It has no clock.
        assert files.state(path).changed_ns > 1_600_000_000_000_000_000
    assert files.read_bytes(path) == content
    with pytest.raises(FileNotFoundError):
        files.open(f"{place}/nothing")


def test_keys_that_step_out_of_the_copy_are_refused(bucket: str) -> None:
    from agnews.components.storage.s3_files import connect_s3

    connect_s3().put_object(Bucket=bucket.partition("://")[2], Key="model/../../outside", Body=b"x")
    with pytest.raises(AgnewsError, match="lead out of the folder") as caught:
        files_at(bucket).files_below(f"{bucket}/model")
    assert "../../outside" in str(caught.value.found)
