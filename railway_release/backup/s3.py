"""A prefix in a bucket: bytes go there in parts as they come, and are published once all are there."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from railway_release.backup.bucket import Bucket
from railway_release.backup.bucket_errors import refused
from railway_release.backup.destination import UNFINISHED_SECONDS
from railway_release.backup.streams import BLOCK
from railway_release.errors import BackupFailed
from railway_release.runtime.visible import visible

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_LEAST_PART = 8 * BLOCK  # bytes; the stores' own limit is 5 MB
# Of the 10,000 parts that an object may have, these hold what is expected, and are of one size, since some
# stores want that. Should more come, the others are larger.
_EXPECTED_PARTS = 9_000
_LARGER = 8
_MOST_DELETED = 1_000  # by one request

# As backup_name() makes them; other people's uploads may lie under the same prefix.
_OURS = re.compile(r"\d{8}T\d{6}Z-[^/]+/[^/]+")


class S3:
    """A prefix in a bucket; the bucket is there already."""

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    @property
    def where(self) -> str:
        """Its URL."""
        return f"s3://{self._bucket.name}/{self._prefix}".rstrip("/")

    def write(self, name: str, chunks: Iterable[bytes], expected_size: int) -> None:
        """Upload an object, at once if it is smaller than a part; at most two parts are in memory."""
        what = f"{visible(name)} cannot be written to {visible(self.where)}"
        key, size = self._prefix + name, part_size(expected_size)
        parts = cut(chunks, size)
        first = next(parts, bytearray())
        if len(first) < size:
            self._bucket.call(what, "put_object", Key=key, Body=first)
            return
        with _uploading(self._bucket, key, what) as upload:
            upload.add(first)
            del first  # or it would stay in memory
            for part in parts:
                upload.add(part)

    def read(self, name: str) -> Iterator[bytes]:
        """The object's blocks; botocore compares their length with the one that the store announced."""
        what = f"{visible(name)} cannot be read from {visible(self.where)}"
        with self._bucket.telling(what) as client:
            answer = client.get_object(Bucket=self._bucket.name, Key=self._prefix + name)
            with contextlib.closing(answer["Body"]) as body:
                while block := body.read(BLOCK):
                    yield block

    def sizes(self, prefix: str = "") -> Mapping[str, int]:
        """The objects below the prefix; names that end with a slash are the folders of some programs."""
        what = f"{visible(self.where)} cannot be listed"
        found = self._bucket.pages(what, "list_objects_v2", "Contents", Prefix=self._prefix + prefix)
        named = {one["Key"].removeprefix(self._prefix): one["Size"] for one in found}
        return {name: size for name, size in sorted(named.items()) if name and not name.endswith("/")}

    def delete(self, names: Iterable[str]) -> None:
        """Delete these objects, many by one request."""
        what = f"{visible(self.where)} cannot be tidied up"
        keys = ({"Key": self._prefix + name} for name in names)
        while several := list(itertools.islice(keys, _MOST_DELETED)):
            wanted = {"Objects": several, "Quiet": True}
            answer = self._bucket.call(what, "delete_objects", Delete=wanted)
            for error in answer.get("Errors", ()):
                if error.get("Code") != "NoSuchKey":
                    raise refused(what, error.get("Code", ""), error.get("Message", ""))

    def delete_unfinished(self) -> None:
        """Abort uploads of backups; Railway's buckets never do that by themselves, and parts cost money."""
        what = f"{visible(self.where)} cannot be tidied up"
        now = datetime.now(UTC)
        for one in list(self._bucket.pages(what, "list_multipart_uploads", "Uploads", Prefix=self._prefix)):
            age = (now - one["Initiated"]).total_seconds()
            if age > UNFINISHED_SECONDS and _OURS.fullmatch(one["Key"], len(self._prefix)):
                self._abort(what, one["Key"], one["UploadId"])

    def _abort(self, what: str, key: str, upload: str) -> None:
        with self._bucket.telling(what) as client, contextlib.suppress(client.exceptions.NoSuchUpload):
            client.abort_multipart_upload(Bucket=self._bucket.name, Key=key, UploadId=upload)


def part_size(expected_size: int) -> int:
    """How large the parts are of an object of about this size; both in bytes."""
    return max(_LEAST_PART, math.ceil(expected_size / _EXPECTED_PARTS))


def cut(chunks: Iterable[bytes], size: int) -> Iterator[bytearray]:
    """The parts of what the chunks hold together; only the last is smaller than `size`."""
    sizes = itertools.chain(itertools.repeat(size, _EXPECTED_PARTS), itertools.repeat(size * _LARGER))
    wanted, part = next(sizes), bytearray()
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            taken = rest[: wanted - len(part)]
            part += taken
            rest = rest[len(taken) :]
            if len(part) == wanted:
                yield part
                wanted, part = next(sizes), bytearray()
    if part:
        yield part


@contextlib.contextmanager
def _uploading(bucket: Bucket, key: str, what: str) -> Iterator[_Upload]:
    """While entered, parts can be added; whatever is raised, a signal too, leaves nothing behind."""
    upload = _Upload(bucket, key, what)
    try:
        yield upload
        upload.publish()
    except BaseException:
        upload.abort()
        raise


class _Upload:
    """An upload in parts; while one is being sent, the next is read."""

    def __init__(self, bucket: Bucket, key: str, what: str) -> None:
        self._bucket, self._key, self._what = bucket, key, what
        self._id = bucket.call(what, "create_multipart_upload", Key=key)["UploadId"]
        self._sender = ThreadPoolExecutor(max_workers=1)
        self._sent: list[dict[str, Any]] = []
        self._sending: Future[dict[str, Any]] | None = None

    def add(self, part: bytearray) -> None:
        """Send a part once the one before is sent; raises BackupFailed if that one was refused."""
        self._wait()
        self._sending = self._sender.submit(self._send, len(self._sent) + 1, part)

    def publish(self) -> None:
        """Make an object of the parts."""
        self._wait()
        self._sender.shutdown()
        self._call("complete_multipart_upload", MultipartUpload={"Parts": self._sent})

    def abort(self) -> None:
        """Delete the parts; those that cannot be are deleted by `delete_unfinished`, a day later."""
        # A part that arrives after the abort would stay.
        self._sender.shutdown(cancel_futures=True)
        with contextlib.suppress(BackupFailed):  # the first error is the one to be told
            self._call("abort_multipart_upload")

    def _wait(self) -> None:
        if self._sending is not None:
            self._sent.append(self._sending.result())
            self._sending = None

    def _send(self, number: int, part: bytearray) -> dict[str, Any]:
        answer = self._call("upload_part", PartNumber=number, Body=part)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _call(self, operation: str, **arguments: Any) -> Any:
        return self._bucket.call(self._what, operation, Key=self._key, UploadId=self._id, **arguments)
