"""Backups in a bucket, in a real store on loopback."""

import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from werkzeug.wrappers import Request, Response

from railway_release.backup.destination import Destination
from railway_release.backup.manifest import backup_name
from railway_release.backup.places import open_destination
from railway_release.errors import BackupFailed
from tests.support.release import ROOT, Project
from tests.support.s3 import SECRET, Store, refused

pytestmark = pytest.mark.xdist_group("s3")

MB = 1 << 20
PART = 8 * MB
RUN = backup_name(datetime(2026, 11, 29, 10, 15, tzinfo=UTC), "4f1c2a9b", "7d663adf18c5")
DUMP = f"{RUN}/001.dump"


@pytest.fixture
def bucket(store: Store) -> str:
    return store.new_bucket()


@pytest.fixture
def destination(store: Store, bucket: str) -> Destination:
    return open_destination(f"s3://{bucket}/backups", store.environ(bucket))


def chunks(size: int, chunk: int = MB) -> Iterator[bytes]:
    """So many bytes, in chunks that differ."""
    for number in itertools.count():
        if size <= 0:
            return
        yield (bytes([number % 251]) * chunk)[:size]
        size -= chunk


def then(error: BaseException, size: int) -> Iterator[bytes]:
    """So many bytes, and then an error where the end would be."""
    yield from chunks(size)
    raise error


@contextlib.contextmanager
def failing(*words: str) -> Iterator[None]:
    """BackupFailed, whose message and hint hold these words and no secret."""
    with pytest.raises(BackupFailed) as raised:
        yield
    text = f"{raised.value.message} {raised.value.hint}"
    assert [word for word in words if word not in text] == [], text
    assert SECRET not in text


def test_what_is_written_is_read_back_whatever_its_size(store: Store, bucket: str, destination: Destination):
    sizes = {f"{RUN}/{size}": size for size in (0, 1, PART, 3 * PART + 7)}

    for name, size in sizes.items():
        destination.write(name, chunks(size, MB - 3), size)

    read = {name: b"".join(destination.read(name)) for name in sizes}
    assert destination.sizes() == dict(sorted(sizes.items()))
    assert [name for name, size in sizes.items() if read[name] != b"".join(chunks(size, MB - 3))] == []
    assert store.uploads(bucket) == []


def test_small_objects_are_put_at_once_and_large_ones_in_parts_of_eight_megabytes(
    store: Store, destination: Destination
):
    before = len(store.asked)

    destination.write(f"{RUN}/small", chunks(PART - 1), 0)
    destination.write(f"{RUN}/large", [bytes(2 * PART + 1)], 0)

    puts = [one for one in store.asked[before:] if one.method == "PUT"]
    assert [int(one.headers["Content-Length"]) for one in puts] == [PART - 1, PART, PART, 1]
    assert not [one for one in puts if any("checksum" in name.lower() for name in one.headers)]


class Stop(KeyboardInterrupt):
    """As a signal raises it."""


def test_a_source_that_raises_instead_of_ending_leaves_nothing(
    store: Store, bucket: str, destination: Destination
):
    errors = (BackupFailed("pg_dump failed"), Stop(), RuntimeError("anything"))
    left = {}

    for error, size in itertools.product(errors, (0, MB, PART, 2 * PART + MB)):
        with pytest.raises(type(error)) as raised:
            destination.write(DUMP, then(error, size), size)
        left[type(error), size] = (raised.value is error, store.keys(bucket), store.uploads(bucket))

    assert left == dict.fromkeys(left, (True, [], []))


def on(method: str, containing: str, answer: Callable[[], Response]) -> Callable[[Request], Response | None]:
    """Answers so to requests with this method whose URL holds this text."""
    return lambda request: answer() if request.method == method and containing in request.url else None


def denied() -> Response:
    return refused("AccessDenied", 403)


def half() -> Response:
    return Response(iter([bytes(2 * MB)]), headers={"Content-Length": str(3 * MB)})


def test_a_signal_ends_the_upload_once_the_part_that_is_being_sent_has_arrived(
    store: Store, bucket: str, destination: Destination, request: pytest.FixtureRequest
):
    aborted, came_before_the_part = threading.Event(), []

    def stop(*_: object) -> None:
        raise Stop

    def signalled(asked: Request) -> None:
        if "partNumber=1" in asked.url:
            os.kill(os.getpid(), signal.SIGUSR1)
            came_before_the_part.append(aborted.wait(0.5))
        if asked.method == "DELETE":
            aborted.set()

    before = signal.signal(signal.SIGUSR1, stop)
    request.addfinalizer(lambda: signal.signal(signal.SIGUSR1, before))
    with store.instead(signalled), pytest.raises(Stop):
        destination.write(DUMP, chunks(3 * PART), 0)

    assert came_before_the_part == [False]
    assert (store.keys(bucket), store.uploads(bucket)) == ([], [])


def test_a_refused_request_ends_the_upload_and_leaves_nothing(
    store: Store, bucket: str, destination: Destination
):
    requests = {
        "create": ("POST", "?uploads"),
        "first part": ("PUT", "partNumber=1"),
        "last part": ("PUT", "partNumber=3"),
        "complete": ("POST", "uploadId="),
    }
    words = f"{DUMP} cannot be written to s3://{bucket}/backups: access is denied"
    left = {}

    for what, (method, url) in requests.items():
        with store.instead(on(method, url, denied)), failing(words, "s3:PutObject"):
            destination.write(DUMP, chunks(2 * PART + MB), 0)
        left[what] = (store.keys(bucket), store.uploads(bucket))

    assert left == dict.fromkeys(requests, ([], []))


def test_an_abort_that_fails_does_not_hide_the_first_error(store: Store, destination: Destination):
    with (
        store.instead(on("DELETE", "uploadId=", denied)),
        pytest.raises(BackupFailed, match="pg_dump failed"),
    ):
        destination.write(DUMP, then(BackupFailed("pg_dump failed"), 2 * PART), 0)


def test_a_bucket_that_vanishes_in_the_middle_is_named(store: Store, bucket: str, destination: Destination):
    def vanishing() -> Iterator[bytes]:
        yield bytes(PART)
        yield bytes(PART)
        store.s3.delete_bucket(Bucket=bucket)
        yield bytes(PART)

    with failing(f"cannot be written to s3://{bucket}/backups: the bucket does not exist", "Create it"):
        destination.write(DUMP, vanishing(), 0)


def test_each_request_to_a_bucket_that_is_not_there_says_so(store: Store):
    nowhere = open_destination("s3://no-such-bucket/x", store.environ("no-such-bucket"))

    for attempt in (
        lambda: nowhere.write(DUMP, [b"x"], 1),
        lambda: list(nowhere.read(DUMP)),
        nowhere.sizes,
        lambda: nowhere.delete([DUMP]),
        nowhere.delete_unfinished,
    ):
        with failing("s3://no-such-bucket/x", "the bucket does not exist"):
            attempt()


def test_wrong_keys_secrets_and_rights_are_told_apart(store: Store, bucket: str):
    iam = store.client("iam")
    user = f"user-{bucket}"
    iam.create_user(UserName=user)
    made = iam.create_access_key(UserName=user)["AccessKey"]
    key, secret = made["AccessKeyId"], made["SecretAccessKey"]

    def opened(**access: str) -> Destination:
        return open_destination(f"s3://{bucket}/x", store.environ(bucket, **access))

    with store.checking_access():
        with failing("the store does not know the access key", "ACCESS_KEY_ID"):
            opened().sizes()
        with failing("the secret does not belong to the access key", "SECRET_ACCESS_KEY"):
            opened(ACCESS_KEY_ID=key).sizes()
        with failing("access is denied", "s3:ListBucketMultipartUploads"):
            opened(ACCESS_KEY_ID=key, SECRET_ACCESS_KEY=secret).sizes()


def test_without_credentials_the_variables_are_named(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)

    with failing("there are no credentials", "ACCESS_KEY_ID and SECRET_ACCESS_KEY", "BUCKET"):
        open_destination("s3://somewhere", {"ENDPOINT": store.url}).sizes()
    with failing("the credentials are incomplete", "AWS_SECRET_ACCESS_KEY"):
        open_destination("s3://somewhere", {"AWS_ACCESS_KEY_ID": "half"}).sizes()


def test_a_connection_that_is_cut_is_an_error_and_no_end(store: Store, destination: Destination):
    destination.write(DUMP, chunks(3 * MB), 0)
    got = []

    with (
        store.instead(on("GET", DUMP, half)),
        failing("cannot be read", "the connection was cut", "Run again"),
    ):
        for block in destination.read(DUMP):
            got.append(len(block))  # noqa: PERF401 - what came before the error counts

    assert sum(got) == 2 * MB


def test_what_is_no_store_is_told_from_an_empty_one(store: Store, destination: Destination):
    with (
        store.instead(lambda _: Response("<!doctype html><title>Welcome</title>", mimetype="text/html")),
        failing("cannot be listed: the store does not answer as it should", "ENDPOINT"),
    ):
        destination.sizes()


def test_a_store_that_is_down_is_told_with_the_variable_that_names_it(store: Store, bucket: str):
    environ = store.environ(bucket, ENDPOINT="http://127.0.0.1:9")

    with failing("the store does not answer (EndpointConnectionError, 127.0.0.1:9)", "ENDPOINT"):
        open_destination(f"s3://{bucket}", environ).sizes()


def test_a_busy_store_is_asked_again(store: Store, destination: Destination):
    answers = iter([refused("SlowDown", 503), refused("InternalError", 500)])

    with store.instead(lambda _: next(answers, None)):
        destination.write(DUMP, [b"x"], 1)

    assert destination.sizes() == {DUMP: 1}


def test_what_cannot_be_used_as_an_address_or_credential_is_told_in_words(store: Store, bucket: str):
    with failing("the URL of the store is none", "ENDPOINT"):
        open_destination(f"s3://{bucket}", store.environ(bucket, ENDPOINT="storage.example")).sizes()
    with failing(f"s3://{bucket}_?x cannot be listed"):
        open_destination(f"s3://{bucket}_?x", store.environ("")).sizes()


def test_a_name_that_is_not_there_is_an_error_to_read_and_none_to_delete(
    bucket: str, destination: Destination
):
    with failing(f"{DUMP} cannot be read from s3://{bucket}/backups: it is not there"):
        list(destination.read(DUMP))
    destination.delete([DUMP])
    destination.delete([])


def test_only_what_lies_under_the_prefix_is_seen_and_deleted(
    store: Store, bucket: str, destination: Destination
):
    foreign = ["backups", "backups-of-others/x", "other", f"{RUN}/001.dump"]
    folders = ["backups/", "backups/films/"]  # as some programs make them
    for key in (*foreign, *folders):
        store.s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    destination.write(DUMP, [b"22"], 2)
    destination.write("20270101T000000Z-other/manifest.json", [b"333"], 3)

    assert destination.sizes() == {DUMP: 2, "20270101T000000Z-other/manifest.json": 3}
    assert destination.sizes("2027") == {"20270101T000000Z-other/manifest.json": 3}

    destination.delete(destination.sizes())

    assert store.keys(bucket) == sorted([*foreign, *folders])


def test_a_prefix_may_have_slashes_around_it(store: Store, bucket: str):
    prefixes = {"": "", "/": "", "/a": "a/", "/b/": "b/", "//c/d e//": "c/d e/"}

    for written in prefixes:
        destination = open_destination(f"s3://{bucket}{written}", store.environ(bucket))
        destination.write(f"x{len(written)}/y", [b"1"], 1)

    keys = {f"{prefix}x{len(written)}/y" for written, prefix in prefixes.items()}
    assert set(store.keys(bucket)) == keys


def test_odd_names_come_back_as_they_are(store: Store, bucket: str):
    destination = open_destination(f"s3://{bucket}/ärchiv +%41?#&", store.environ(bucket))
    names = ["a b", "a+b", "a%20b", "ελληνικά/ü", "quote'\"&<>", "emoji 🐘", "a//b", "~$!*(),;=@:"]

    for name in names:
        destination.write(name, [name.encode()], 1)

    assert {name: b"".join(destination.read(name)).decode() for name in names} == {
        name: name for name in names
    }
    assert list(destination.sizes()) == sorted(names)
    destination.delete(names)
    assert store.keys(bucket) == []


def test_many_objects_are_listed_in_pages_and_deleted_a_thousand_at_once(
    store: Store, bucket: str, destination: Destination, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    names = [f"{RUN}/{number:04}" for number in range(1005)]
    there = [names[0], names[1], names[500], names[-2], names[-1]]
    for name in there:
        destination.write(name, [b"1"], 1)

    before = len(store.asked)
    assert list(destination.sizes()) == there
    assert len(store.asked) - before == 3

    destination.delete(names)

    deleting = store.asked[before + 3 :]
    checksums = [[name for name in one.headers if re.search("md5|checksum", name, re.I)] for one in deleting]
    assert checksums == [["Content-Md5"]] * 2
    assert store.keys(bucket) == []


def test_an_object_that_cannot_be_deleted_is_an_error(store: Store, destination: Destination):
    answer = "<DeleteResult><Error><Key>x</Key><Code>AccessDenied</Code></Error></DeleteResult>"

    with (
        store.instead(on("POST", "?delete", lambda: Response(answer, mimetype="text/xml"))),
        failing("cannot be tidied up: access is denied"),
    ):
        destination.delete([DUMP])


def test_uploads_of_backups_are_aborted_after_a_day_and_no_others(store: Store, bucket: str):
    uploads = {
        "ours, old": f"backups/{RUN}/001.dump",
        "ours, now": f"backups/{RUN}/002.dump",
        "another's under our prefix": "backups/film.mp4",
        "ours of another prefix": f"staging/{RUN}/001.dump",
        "without prefix": f"{RUN}/001.dump",
    }
    for key in uploads.values():
        store.s3.create_multipart_upload(Bucket=bucket, Key=key)

    with store.began_now(uploads["ours, now"]):
        open_destination(f"s3://{bucket}/backups", store.environ(bucket)).delete_unfinished()

    assert sorted(store.uploads(bucket)) == sorted(
        key for what, key in uploads.items() if what != "ours, old"
    )


def test_the_next_part_is_read_while_one_is_sent(store: Store, destination: Destination):
    read_on = threading.Event()

    def source() -> Iterator[bytes]:
        yield bytes(PART)
        read_on.set()
        yield bytes(PART + 1)

    def sent(request: Request) -> None:
        if "partNumber=1" in request.url:
            assert read_on.wait(20)

    with store.instead(sent):
        destination.write(DUMP, source(), 0)

    assert destination.sizes() == {DUMP: 2 * PART + 1}


def test_a_bucket_of_railways_is_a_part_of_the_hosts_name(
    store: Store, bucket: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("http_proxy", store.url)
    monkeypatch.delenv("no_proxy", raising=False)
    environ = store.environ(bucket, ENDPOINT="http://storage.railway.app")

    destination = open_destination(f"s3://{bucket}/backups", environ)
    destination.write(DUMP, [b"x"], 1)

    assert store.asked[-1].url == f"http://{bucket}.storage.railway.app/backups/{DUMP}"
    assert destination.sizes() == {DUMP: 1}


# In megabytes, of this process alone: ru_maxrss begins with what its parent had.
MEASURED = """
import os, sys
from railway_release.backup.places import open_destination

def largest():
    return next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if "VmHWM" in line)

destination, before = open_destination(sys.argv[1], os.environ), largest()
for megabytes in (0, 200):
    destination.write("x/y", (os.urandom(1) * (1 << 20) for _ in range(megabytes)), megabytes << 20)
    print(largest() - before)
"""


def swallow(request: Request) -> Response:
    """Answers as a store does, and keeps nothing."""
    while request.stream.read(MB):
        pass
    upload = "<R><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId><ETag>e</ETag></R>"
    return Response(upload if request.method == "POST" else "", headers={"ETag": "e"}, mimetype="text/xml")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells how much memory was used")
def test_two_parts_are_in_memory_however_large_the_whole_is(store: Store):
    inherited = {**os.environ, **store.environ("b")}
    environ = {
        name: text for name, text in inherited.items() if not name.startswith("COVERAGE")
    }  # takes memory

    with store.instead(swallow):
        command = [sys.executable, "-c", MEASURED, "s3://b"]
        run = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, cwd=ROOT)

    assert run.returncode == 0, run.stderr
    empty, large = map(int, run.stdout.split())
    assert (large - empty < 3 * PART // MB, large < 100) == (True, True), (empty, large)


def test_a_release_writes_nothing_before_its_backup_is_in_the_bucket_and_a_tenant_comes_back_from_there(
    past: Project, store: Store, bucket: str
):
    environ = store.environ(bucket, RELEASE_BACKUP_TO=f"s3://{bucket}/production", RELEASE_COLLECTSTATIC="no")
    records = "SELECT count(*) FROM athena.django_migrations"
    before = past.database.lines(records)

    with store.instead(on("PUT", "001.dump", denied)):
        refusal = past.run(**environ)
    unchanged = (past.database.lines(records), store.keys(bucket))
    release = past.run(**environ)

    assert (refusal.code, unchanged) == (5, (before, []))
    assert "access is denied (AccessDenied, PutObject)" in refusal.text
    assert (release.code, past.database.lines(records) == before) == (0, False)
    names = [key.split("/") for key in store.keys(bucket)]
    assert [(name[0], name[2]) for name in names] == [
        ("production", "001.dump"),
        ("production", "manifest.json"),
    ]
    restored = past.run("restore", "latest", "--schema", "athena", "--apply", **environ)
    assert restored.states == {"athena": "restored"}, restored.text
    assert past.database.lines(records) == before
    assert SECRET not in refusal.text + release.text + restored.text
