"""Where a place for backups leads, without going there."""

import sys
from itertools import islice, repeat

import pytest

from railway_release.backup.bucket import Access
from railway_release.backup.destination import Folder
from railway_release.backup.places import open_destination
from railway_release.backup.s3 import cut, part_size
from railway_release.errors import BackupFailed, InvalidConfiguration
from railway_release.runtime.redact import redact

MB, GB = 1 << 20, 1 << 30
RAILWAY = {
    "BUCKET": "ours-x1",
    "ACCESS_KEY_ID": "railway-key",
    "SECRET_ACCESS_KEY": "railway-secret",
    "REGION": "auto",
    "ENDPOINT": "https://storage.railway.app",
}
AMAZON = {"AWS_ACCESS_KEY_ID": "amazon-key", "AWS_SECRET_ACCESS_KEY": "amazon-secret", "AWS_REGION": "eu-1"}


def test_a_path_is_a_folder_and_an_s3_url_a_bucket():
    places = {
        place: open_destination(place, RAILWAY).where
        for place in (
            "/backups",
            "backups/a b",
            "./s3",
            "s3://b",
            "s3://b/",
            " s3://b/x/y/ ",
            "s3:///x",
            "S3://b?x",
        )
    }

    assert places == {
        "/backups": "/backups",
        "backups/a b": "backups/a b",
        "./s3": "s3",
        "s3://b": "s3://b",
        "s3://b/": "s3://b",
        " s3://b/x/y/ ": "s3://b/x/y",
        "s3:///x": "s3://ours-x1/x",
        "S3://b?x": "s3://b?x",
    }
    assert isinstance(open_destination("/backups", {}), Folder)


@pytest.mark.parametrize(
    "place",
    [
        "",
        " ",
        "gs://bucket/x",
        "https://storage.railway.app/b",
        "file:///x",
        "s3:bucket",
        "s3:/bucket",
        "s3://",
        "s3:///x",
    ],
)
def test_every_other_place_is_refused_with_what_is_allowed(place: str):
    with pytest.raises(InvalidConfiguration) as raised:
        open_destination(place, {})

    assert raised.value.hint == "A backup is kept in a folder, or in s3://BUCKET/PREFIX."


def test_credentials_in_the_place_are_refused_and_not_repeated():
    with pytest.raises(InvalidConfiguration) as raised:
        open_destination("s3://key:the-secret@bucket/x", {})

    assert "the-secret" not in f"{raised.value.message} {raised.value.hint}"


def test_keys_come_from_railways_names_for_their_own_bucket_and_else_from_amazons():
    both = RAILWAY | AMAZON

    assert {
        "of the bucket": Access.of("ours-x1", both).key,
        "of another bucket": Access.of("other", both).key,
        "without BUCKET": Access.of("other", both | {"BUCKET": ""}).key,
        "half a pair": Access.of("ours-x1", both | {"SECRET_ACCESS_KEY": ""}).key,
        "none": Access.of("ours-x1", {"ENDPOINT": "/api", "REGION": "north"}),
    } == {
        "of the bucket": "railway-key",
        "of another bucket": "amazon-key",
        "without BUCKET": "railway-key",
        "half a pair": "amazon-key",
        "none": Access(),
    }


def test_a_key_goes_to_no_other_store_than_its_own():
    amazons = AMAZON | {"AWS_ENDPOINT_URL": "https://all", "AWS_SESSION_TOKEN": "the-token\n"}
    found = {
        "railway": Access.of("ours-x1", RAILWAY | amazons),
        "amazon": Access.of("other", RAILWAY | amazons | {"AWS_ENDPOINT_URL_S3": "https://s3-alone"}),
    }

    assert found == {
        "railway": Access(
            "railway-key", "railway-secret", "", "auto", "https://storage.railway.app", style="virtual"
        ),
        "amazon": Access("amazon-key", "amazon-secret", "the-token", "eu-1", "https://s3-alone"),
    }
    assert redact("railway-secret amazon-secret the-token") == "*** *** ***"
    assert "secret" not in repr(found["railway"]).lower().replace("railway-key", "")


def test_the_way_to_write_a_bucket_is_railways_where_nothing_else_is_said():
    assert {
        endpoint: Access.of("b", AMAZON | {"AWS_ENDPOINT_URL": endpoint} | said).style
        for endpoint, said in {
            "": {},
            "https://storage.railway.app": {},
            "https://storage.railway.app/": {"AWS_S3_URL_STYLE": "path"},
            "http://minio.railway.internal:9000": {},
            "https://elsewhere.example": {"AWS_S3_URL_STYLE": "virtual"},
            "http://[half": {},
        }.items()
    } == {
        "": "",
        "https://storage.railway.app": "virtual",
        "https://storage.railway.app/": "path",
        "http://minio.railway.internal:9000": "",
        "https://elsewhere.example": "virtual",
        "http://[half": "",
    }


def test_without_boto3_a_bucket_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    destination = open_destination("s3://ours-x1/x", RAILWAY)

    with pytest.raises(BackupFailed) as raised:
        destination.sizes()

    assert raised.value.message == "s3://ours-x1/x cannot be listed: boto3 is not installed."
    assert raised.value.hint == "Install it with `pip install 'railway-release[s3]'`."


def test_parts_are_small_and_few_enough_for_what_is_expected():
    sizes = {expected: part_size(expected) for expected in (0, 1, 60 * GB, 500 * GB, 5000 * GB)}

    assert [size // MB for size in sizes.values()] == [8, 8, 8, 56, 568]
    assert all(size * 9000 >= expected for expected, size in sizes.items())


def test_parts_hold_what_the_chunks_hold_and_only_the_last_is_smaller():
    assert list(cut([], 4)) == []
    assert list(cut([b"", b"a", b"bcdefghij", b"", b"kl"], 4)) == [b"abcd", b"efgh", b"ijkl"]
    assert list(cut([b"abcde"], 4)) == [b"abcd", b"e"]


def test_parts_become_larger_where_much_more_comes_than_was_expected():
    lengths = [len(part) for part in cut(islice(repeat(b"12"), 9000 + 16), 2)]

    assert lengths == [2] * 9000 + [16, 16]
