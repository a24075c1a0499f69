"""Opens the place where backups are kept: a folder, or a prefix in a bucket."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from railway_release.backup.bucket import Access, Bucket
from railway_release.backup.destination import Destination, Folder
from railway_release.backup.s3 import S3
from railway_release.errors import InvalidConfiguration

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/+|s3:", re.I)
_S3 = re.compile(r"s3://(?P<bucket>[^/]*)/*(?P<prefix>.*)", re.I | re.S)
_ALLOWED = "A backup is kept in a folder, or in s3://BUCKET/PREFIX."


def open_destination(place: str, environ: Mapping[str, str]) -> Destination:
    """The folder of this path, or the bucket of an s3:// URL, with the access that `environ` gives.

    ``s3:///PREFIX`` is in the bucket that BUCKET or AWS_S3_BUCKET_NAME names. Nothing is asked for yet.
    Raises InvalidConfiguration.
    """
    place = place.strip()
    if found := _S3.fullmatch(place):
        return _in_bucket(found["bucket"], found["prefix"], environ)
    if scheme := _SCHEME.match(place):
        raise InvalidConfiguration(f"Backups cannot be kept in what begins with {scheme[0]}.", _ALLOWED)
    if not place:
        raise InvalidConfiguration("No place is named where backups are kept.", _ALLOWED)
    return Folder(Path(place))


def _in_bucket(bucket: str, prefix: str, environ: Mapping[str, str]) -> Destination:
    if "@" in bucket:  # whatever it is, it is not repeated here
        raise InvalidConfiguration(
            "The place where backups are kept holds credentials.",
            "Name s3://BUCKET/PREFIX alone, and set ACCESS_KEY_ID and SECRET_ACCESS_KEY.",
        )
    bucket = bucket or environ.get("BUCKET", "").strip() or environ.get("AWS_S3_BUCKET_NAME", "").strip()
    if not bucket:
        raise InvalidConfiguration(
            "The place where backups are kept names no bucket, and BUCKET is not set.", _ALLOWED
        )
    return S3(Bucket(bucket, Access.of(bucket, environ)), prefix.strip("/"))
