"""From the server's settings to what they do not suffice for."""

import pytest

from railway_release.config.config import Config
from railway_release.diagnosis.server import of_connection_limit, of_lock_slots
from railway_release.postgres.server import ConnectionLimit
from railway_release.postgres.slots import Slots

SLOTS = Slots(per_session=64, sessions=100, own=0, used=0)


def found(backup_command="", tables=6400):
    config = Config(backup_command=backup_command)
    return [(one.id, one.severity) for one in of_lock_slots(tables, SLOTS, config)]


def test_enough_of_everything():
    assert found() == []


def test_more_tables_than_locks_are_in_the_way_of_a_dump():
    assert found(tables=6401) == [("server.lock_slots", "warning")]


@pytest.mark.parametrize("command", ["pg_dump -Fc -f x", "/usr/bin/pg_dump | gzip -n > x"])
def test_they_are_an_error_if_that_dump_is_the_backup(command):
    assert found(command, tables=6401) == [("server.lock_slots", "error")]


@pytest.mark.parametrize("command", ["pg_dump -n public", "pg_dump --schema=public", "true", "./backup.sh"])
def test_other_backups_are_not_concerned(command):
    assert found(command, tables=6401) == [("server.lock_slots", "warning")]


def test_the_command_raises_the_locks_far_enough():
    (cause,) = of_lock_slots(20_000, SLOTS, Config())

    assert "max_locks_per_transaction = 400" in cause.command


@pytest.mark.parametrize(("in_use", "causes"), [(96, ["server.connections"]), (95, [])])
def test_six_connections_are_enough_for_a_release(in_use, causes):
    limit = ConnectionLimit("max_connections of the server", maximum=100, in_use=in_use, change="")

    assert [one.id for one in of_connection_limit(limit)] == causes
