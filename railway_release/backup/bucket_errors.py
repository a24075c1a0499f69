"""What a store that speaks S3 answers when something is wrong, in words and with the next step."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from railway_release.errors import BackupFailed
from railway_release.runtime.redact import redact
from railway_release.runtime.text import sentence
from railway_release.runtime.visible import visible

_KEYS = "ACCESS_KEY_ID and SECRET_ACCESS_KEY (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
_ENDPOINT = "ENDPOINT (or AWS_ENDPOINT_URL)"
_REGION = "REGION (or AWS_REGION)"
_ACTIONS = (
    "s3:PutObject, s3:GetObject, s3:DeleteObject, s3:AbortMultipartUpload, s3:ListBucket and "
    "s3:ListBucketMultipartUploads"
)


class _Words(NamedTuple):
    why: str
    hint: str


_NO_BUCKET = _Words(
    "the bucket does not exist",
    f"Create it, or correct its name or {_ENDPOINT}, which names the store.",
)
_DENIED = _Words("access is denied", f"The key must be allowed {_ACTIONS}.")
_NOT_THERE = _Words("it is not there", "It was deleted, or the place where backups are kept is another one.")
_EXPIRED = _Words(
    "the credentials have expired", f"Set {_KEYS}, and AWS_SESSION_TOKEN with temporary ones, to valid ones."
)
_OTHER_REGION = _Words("the bucket is in another region", f"Set {_REGION} to the region of the bucket.")
_NO_ANSWER = _Words(
    "the store does not answer", f"Look whether it is up and {_ENDPOINT} is right, and run again."
)
_CUT = _Words("the connection was cut", "Run again.")
_BUSY = _Words(
    "the store does not answer as it should, also after several tries",
    f"Look whether {_ENDPOINT} is right, and run again later.",
)
_INCOMPLETE = _Words(
    "the credentials are incomplete", f"Set both of {_KEYS}; temporary ones need AWS_SESSION_TOKEN, too."
)

# By the store's code, by the number of an answer without one, or by the name of botocore's error.
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_WORDS = {
    "NoSuchBucket": _NO_BUCKET,
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "403": _DENIED,
    "InvalidAccessKeyId": _Words(
        "the store does not know the access key",
        f"Set {_KEYS} to a pair of this store, or {_ENDPOINT} to theirs.",
    ),
    "SignatureDoesNotMatch": _Words(
        "the secret does not belong to the access key", f"Set {_KEYS} to a pair that belongs together."
    ),
    "ExpiredToken": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidToken": _INCOMPLETE,
    "PartialCredentialsError": _INCOMPLETE,
    "NoCredentialsError": _Words(
        "there are no credentials",
        f"Set {_KEYS}, and {_ENDPOINT} unless the bucket is Amazon's. The first of these names count only "
        "for the bucket that BUCKET names, if that is set.",
    ),
    "RequestTimeTooSkewed": _Words("the clock of this machine is wrong", "Set it."),
    "PermanentRedirect": _OTHER_REGION,
    "AuthorizationHeaderMalformed": _OTHER_REGION,
    "IllegalLocationConstraintException": _OTHER_REGION,
    "NoSuchKey": _NOT_THERE,
    "404": _NOT_THERE,
    "NoSuchUpload": _Words("its upload was ended by somebody else", "Run again."),
    "SlowDown": _BUSY,
    "InternalError": _BUSY,
    "ServiceUnavailable": _BUSY,
    "500": _BUSY,
    "502": _BUSY,
    "503": _BUSY,
    "504": _BUSY,
    "EndpointConnectionError": _NO_ANSWER,
    "ConnectTimeoutError": _NO_ANSWER,
    "ReadTimeoutError": _NO_ANSWER,
    "ProxyConnectionError": _NO_ANSWER,
    "ConnectionClosedError": _CUT,
    "IncompleteReadError": _CUT,
    "ResponseStreamingError": _CUT,
    "ProtocolError": _CUT,
    "ResponseParserError": _BUSY,
    "InvalidEndpointURL": _Words("the URL of the store is none", f"Correct {_ENDPOINT}."),
}


def in_words(what: str, error: Exception) -> BackupFailed:
    """`what` because of an error of botocore's or urllib3's."""
    answer = (getattr(error, "response", None) or {}).get("Error", {})
    code = str(answer.get("Code") or type(error).__name__)
    if isinstance(error, ValueError) and "endpoint" in str(error).lower():
        code = "InvalidEndpointURL"
    host = urlsplit(getattr(error, "kwargs", {}).get("endpoint_url", "")).netloc.rpartition("@")[2]
    request = getattr(error, "operation_name", "") or host
    return refused(what, code, str(answer.get("Message") or error), request)


def refused(what: str, code: str, said: str, request: str = "") -> BackupFailed:
    """`what` since a store answered a request so: why, and the next step; without secrets."""
    if words := _WORDS.get(code):
        shown = f"{code}, {request}" if request else code
        return BackupFailed(f"{what}: {words.why} ({shown}).", words.hint)
    said = sentence(visible(redact(said)))
    return BackupFailed(f"{what}: {said}", f"The store or its client calls this {code}.")
