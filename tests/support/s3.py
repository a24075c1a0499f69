"""A store that speaks S3, on loopback, which does what a test wants instead of answering."""

import contextlib
import functools
import json
import logging
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

KEY, SECRET = "the-access-key-id", "the-secret-of-the-access-key"

# moto says of each upload that it began at this time.
_BEGAN = b"2010-11-10T20:48:33.000Z"


@dataclass(frozen=True)
class Asked:
    """A request that the store got."""

    method: str
    url: str
    headers: dict[str, str]


class Store:
    """The store; its buckets live as long as it does."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._instead: Callable[[Request], Response | None] = lambda _: None
        self._begun_now = ""
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            "127.0.0.1", 0, self._app, threaded=True, request_handler=MotoRequestHandler
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def environ(self, bucket: str, **more: str) -> dict[str, str]:
        """The variables of a bucket, as Railway names them."""
        access = {"ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET, "REGION": "auto", "ENDPOINT": self.url}
        return {"BUCKET": bucket, **access, **more}

    def client(self, service: str = "s3") -> Any:
        """A client to look and to prepare with."""
        keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
        config = Config(retries={"total_max_attempts": 1})
        return boto3.client(service, region_name="us-east-1", endpoint_url=self.url, config=config, **keys)

    @functools.cached_property
    def s3(self) -> Any:
        """The client for S3."""
        return self.client()

    def new_bucket(self) -> str:
        """The name of a bucket that was made now."""
        name = f"backups-{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=name)
        return name

    def keys(self, bucket: str) -> list[str]:
        """What lies in a bucket."""
        return [one["Key"] for one in self.s3.list_objects_v2(Bucket=bucket).get("Contents", ())]

    def uploads(self, bucket: str) -> list[str]:
        """The keys of the uploads that have neither been completed nor aborted."""
        return [one["Key"] for one in self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]

    @contextlib.contextmanager
    def instead(self, answer: Callable[[Request], Response | None]) -> Iterator[None]:
        """While entered, what `answer` returns is answered, unless that is None."""
        self._instead, before = answer, self._instead
        try:
            yield
        finally:
            self._instead = before

    @contextlib.contextmanager
    def began_now(self, key: str) -> Iterator[None]:
        """While entered, uploads with this key have begun now, and all others years ago."""
        self._begun_now = key
        try:
            yield
        finally:
            self._begun_now = ""

    @contextlib.contextmanager
    def checking_access(self) -> Iterator[None]:
        """While entered, the store checks signatures and policies."""
        before = self._check_after(0)
        try:
            yield
        finally:
            self._check_after(before)

    def _check_after(self, requests: float) -> float:
        url, kind = f"{self.url}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        asked = urllib.request.Request(url, str(requests).encode(), kind)  # noqa: S310 - it is our own store
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - as above
            return float(json.load(answer)["PREVIOUS_INITIAL_NO_AUTH_ACTION_COUNT"])

    def _app(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        self.asked.append(Asked(request.method, request.url, dict(request.headers)))
        answered: Iterable[bytes] = self._answering(request)(environ, start)
        return answered

    def _answering(self, request: Request) -> Callable[..., Any]:
        chosen: Callable[..., Any] = self._instead(request) or self._moto
        if self._begun_now and "uploads" in request.args:
            chosen = self._with_times(request.environ)
        return chosen

    def _with_times(self, environ: dict[str, Any]) -> Response:
        answer = Response.from_app(self._moto, environ)
        now = datetime.now(UTC).isoformat().encode()
        uploads = answer.get_data().split(b"<Upload>")
        ours = f"<Key>{self._begun_now}</Key>".encode()
        answer.set_data(b"<Upload>".join(one.replace(_BEGAN, now) if ours in one else one for one in uploads))
        return answer


def refused(code: str, status: int) -> Response:
    """An answer as stores give it."""
    return Response(f"<Error><Code>{code}</Code><Message>No.</Message></Error>", status, mimetype="text/xml")


@contextlib.contextmanager
def running_store() -> Iterator[Store]:
    """A store without buckets."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = Store()
    try:
        yield store
    finally:
        store.close()
