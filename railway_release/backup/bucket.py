"""A bucket in a store that speaks S3, and how it is reached; boto3 is imported when one is used.

Variables: https://docs.railway.com/storage-buckets and
https://docs.aws.amazon.com/boto3/latest/guide/configuration.html
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from railway_release.backup.bucket_errors import in_words
from railway_release.errors import BackupFailed
from railway_release.runtime.redact import redact

_CONNECT_SECONDS = 10
_READ_SECONDS = 60  # without a byte
_ATTEMPTS = 5  # of one request, with growing pauses between them

# boto3 makes its clients at run time and has no types: whatever has to do with one is Any.
Client = Any


@dataclass(frozen=True)
class Access:
    """How a bucket is reached; what is empty is left to boto3, which also looks into profiles and roles."""

    key: str = ""
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)  # of temporary credentials
    region: str = ""
    endpoint: str = ""  # the URL of the store; empty for Amazon's
    style: str = ""  # "virtual" where the bucket is a part of the host's name, "path" where of the path

    @classmethod
    def of(cls, bucket: str, environ: Mapping[str, str]) -> Access:
        """The access by Railway's own names, if they are set for this bucket, or else by Amazon's.

        The two are not mixed, since a key of one store is worth nothing in another. Secrets in it are never
        shown from now on.
        """
        named = {name: value.strip() for name, value in environ.items()}
        access = _by_railways_names(bucket, named) or _by_amazons_names(named)
        redact.learn([access.secret, access.token])
        return access


def _by_railways_names(bucket: str, environ: Mapping[str, str]) -> Access | None:
    key, secret = environ.get("ACCESS_KEY_ID", ""), environ.get("SECRET_ACCESS_KEY", "")
    if not key or not secret or environ.get("BUCKET", "") not in ("", bucket):
        return None
    endpoint = environ.get("ENDPOINT", "")
    style = _style(endpoint, environ)
    return Access(key, secret, region=environ.get("REGION", ""), endpoint=endpoint, style=style)


def _by_amazons_names(environ: Mapping[str, str]) -> Access:
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL", "")
    return Access(
        environ.get("AWS_ACCESS_KEY_ID", ""),
        environ.get("AWS_SECRET_ACCESS_KEY", ""),
        environ.get("AWS_SESSION_TOKEN", ""),
        environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION", ""),
        endpoint,
        _style(endpoint, environ),
    )


def _style(endpoint: str, environ: Mapping[str, str]) -> str:
    """Railway's own variable says it; its newer buckets answer to no path, which is boto3's way elsewhere."""
    said = environ.get("AWS_S3_URL_STYLE", "").lower()
    if said in ("virtual", "path"):
        return said
    with contextlib.suppress(ValueError):  # no URL, which boto3 complains about
        if (urlsplit(endpoint).hostname or "").endswith("storage.railway.app"):
            return "virtual"
    return ""


class Bucket:
    """A bucket; each request is bounded, and what goes wrong is a BackupFailed in plain words."""

    def __init__(self, name: str, access: Access) -> None:
        self.name = name
        self._access = access

    def call(self, what: str, operation: str, **arguments: Any) -> Any:
        """The answer to a request; if it fails, BackupFailed says that `what` and why."""
        with self.telling(what) as client:
            return getattr(client, operation)(Bucket=self.name, **arguments)

    def pages(self, what: str, operation: str, items: str, **arguments: Any) -> Iterator[Any]:
        """Each of the `items` of an answer that comes in pages; raises BackupFailed as `call` does."""
        with self.telling(what) as client:
            for page in client.get_paginator(operation).paginate(Bucket=self.name, **arguments):
                yield from page.get(items, ())

    @contextlib.contextmanager
    def telling(self, what: str) -> Iterator[Client]:
        """The client; while entered, what goes wrong with it is raised as BackupFailed, as `call` does."""
        try:
            yield self._client
        except ImportError as error:
            hint = "Install it with `pip install 'railway-release[s3]'`."
            raise BackupFailed(f"{what}: boto3 is not installed.", hint) from error
        # botocore's errors have no base of their own, and urllib3's and ValueErrors come with them.
        except Exception as error:
            raise in_words(what, error) from error

    @cached_property
    def _client(self) -> Client:
        # Half a second and 34 MB, so only for those who have a bucket.
        import boto3  # noqa: PLC0415 - as above
        from botocore.config import Config  # noqa: PLC0415 - as above
        from botocore.exceptions import PartialCredentialsError  # noqa: PLC0415 - as above

        access = self._access
        if bool(access.key) != bool(access.secret):
            raise PartialCredentialsError(provider="environment", cred_var="AWS_SECRET_ACCESS_KEY")
        session = boto3.session.Session(
            access.key or None, access.secret or None, access.token or None, access.region or None
        )
        if found := session.get_credentials():  # those of a profile or role are known only now
            frozen = found.get_frozen_credentials()
            redact.learn(filter(None, (frozen.secret_key, frozen.token)))
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
            tcp_keepalive=True,
            # Not all stores know Amazon's newer checksums. The signature covers the bytes that are sent.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": access.style} if access.style else None,
        )
        client = session.client("s3", endpoint_url=access.endpoint or None, config=config)
        client.meta.events.register("before-sign.s3.DeleteObjects", _with_md5)
        return client


def _with_md5(request: Any, **_: Any) -> None:
    """Deleting needs a checksum, and this one is known everywhere; older stores refuse boto3's own."""
    for name in [name for name in request.headers if "checksum" in name.lower()]:
        del request.headers[name]
    digest = hashlib.md5(request.body, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = base64.b64encode(digest).decode()
