"""Deleting a shared object together with the tenants' rows that point at it."""

import re
import subprocess
import sys

import pytest

from tests.conftest import TENANTS
from tests.support.deletion import START, memberships, shown
from tests.support.release import ROOT, Project, until


def test_djangos_own_deletion_fails_for_a_table_that_only_tenants_have(current):
    kind, text = shown(current, "show(refusal(eleni.delete))")

    assert (kind, text.splitlines()[0]) == (
        "ProgrammingError",
        'relation "buildings_buildingmembership" does not exist',
    )


def test_a_shared_object_goes_with_the_rows_of_every_tenant(current):
    deleted = shown(current, "show(delete_everywhere(eleni).schemas)")

    two = {"buildings.BuildingMembership": 2}
    assert deleted == {**dict.fromkeys(TENANTS, two), "public": {"users.User": 1}}
    assert memberships(current) == ["6", "6", "6"]
    assert "eleni" not in current.database.lines("SELECT username FROM users_user")


def test_a_queryset_goes_at_once_and_the_result_unpacks_as_djangos(current):
    code = 'show(list(delete_everywhere(User.objects.filter(username__in=["eleni", "nikos"]))))'

    assert shown(current, code) == [14, {"buildings.BuildingMembership": 12, "users.User": 2}]


def test_rows_of_a_schema_without_a_tenant_row_go_too(current):
    current.database.sql(
        "DELETE FROM tenants_domain; DELETE FROM tenants_client WHERE schema_name = 'athena'"
    )

    assert "athena" in shown(current, "show(delete_everywhere(eleni).schemas)")


def test_a_copy_of_a_tenant_that_is_no_schema_of_the_project_is_left_alone(current):
    current.database.sql(
        "CREATE SCHEMA old; CREATE TABLE old.buildings_buildingmembership AS"
        " SELECT * FROM athena.buildings_buildingmembership"
    )

    assert "old" not in shown(current, "show(delete_everywhere(eleni).schemas)")
    assert current.database.sql("SELECT count(*) FROM old.buildings_buildingmembership") == "8"


def test_the_schema_that_was_active_is_active_again(current):
    code = """
with schema_context("kypseli"):
    delete_everywhere(eleni)
    with connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        show([connection.schema_name, cursor.fetchone()[0]])
"""

    assert shown(current, code) == ["kypseli", "kypseli, public"]


def test_the_schema_that_was_active_is_active_again_after_an_error_in_a_transaction(current):
    code = """
from django.db.models.signals import post_delete
def fail(**kwargs):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1/0")
post_delete.connect(fail, sender=User)
with schema_context("kypseli"), transaction.atomic():
    error = refusal(lambda: delete_everywhere(eleni))
    with connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        show([error[0], connection.schema_name, cursor.fetchone()[0]])
"""

    assert shown(current, code) == ["DataError", "kypseli", "kypseli, public"]
    assert memberships(current) == ["8", "8", "8"]


def test_signals_are_sent_with_the_schema_of_the_row_active(current):
    code = """
from django.db.models.signals import pre_delete, post_delete
sent = []
def note(sender, instance, signal, **kwargs):
    when = "pre" if signal is pre_delete else "post"
    sent.append([when, connection.schema_name, sender.__name__, getattr(connection.tenant, "name", None)])
for signal in (pre_delete, post_delete):
    signal.connect(note)
with schema_context("piraeus"):
    BuildingMembership.objects.exclude(user=eleni).delete()
    BuildingMembership.objects.filter(user=eleni)[:1].get().delete()
for schema in ("athena", "kypseli"):
    with schema_context(schema):
        BuildingMembership.objects.all().delete()
sent.clear()
delete_everywhere(eleni)
show(sent)
"""

    assert shown(current, code) == [
        ["pre", "piraeus", "BuildingMembership", "Piraeus Harbour Flats"],
        ["post", "piraeus", "BuildingMembership", "Piraeus Harbour Flats"],
        ["pre", "public", "User", None],
        ["post", "public", "User", None],
    ]


# Not pg_stat_activity, which shows a transaction the same all the time.
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def test_a_reference_made_meanwhile_waits_and_fails_and_leaves_no_orphan(current):
    marker = current.folder / "locked"
    code = f"""
import time
from pathlib import Path
from django.db.models.signals import pre_delete
def wait(instance, **kwargs):
    Path({str(marker)!r}).touch()
    with connection.cursor() as cursor:
        for _ in range(600):
            cursor.execute({WAITING!r})
            if cursor.fetchone()[0]:
                return
            time.sleep(0.05)
pre_delete.connect(wait, sender=User)
show(delete_everywhere(eleni).total)
"""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", START + code],
        cwd=current.folder,
        env=current.environ(),
        stdout=subprocess.PIPE,
        text=True,
    )
    until(marker.exists, what="the deletion")

    insert = (
        "INSERT INTO athena.buildings_buildingmembership (building_id, user_id, role) SELECT"
        " (SELECT min(id) FROM athena.buildings_building), id, 'x' FROM users_user WHERE username = 'eleni'"
    )
    with pytest.raises(Exception, match="violates foreign key constraint"):
        current.database.sql(f"BEGIN; SET CONSTRAINTS ALL IMMEDIATE; {insert}; COMMIT")

    assert process.communicate(timeout=60)[0].strip().splitlines()[-1] == "7"
    assert memberships(current) == ["6", "6", "6"]


def test_a_schema_that_is_dropped_meanwhile_is_left_out(current):
    code = """
from django.db import connections
def drop(execute, sql, params, many, context):
    if "FOR UPDATE" in sql and not dropped:
        dropped.append(1)
        other = connections.create_connection("default")
        with other.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
            cursor.execute("DROP SCHEMA kypseli CASCADE")
        other.close()
    return execute(sql, params, many, context)
dropped = []
with connection.execute_wrapper(drop):
    show(sorted(delete_everywhere(eleni).schemas))
"""

    assert shown(current, code) == ["athena", "piraeus", "public"]


def test_the_guides_code_deletes_a_user(current):
    guide = (ROOT / "docs" / "guides" / "deleting-a-shared-object.md").read_text(encoding="utf-8")
    code, mixin = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    current.write("users/admin.py", f"from .models import User\n{mixin}")

    current.python(f"from users.models import User\nuser = User.objects.get(username='eleni')\n{code}")

    assert memberships(current) == ["6", "6", "6"]


@pytest.fixture
def many(current: Project) -> Project:
    """Two hundred tenants more, in which nobody is a member."""
    tables = ("django_migrations", "buildings_building", "buildings_buildingmembership")
    clones = "".join(f"EXECUTE format('CREATE TABLE t%s.{one} (LIKE athena.{one})', n); " for one in tables)
    current.database.sql(
        "DO $$ BEGIN FOR n IN 1..200 LOOP "
        f"EXECUTE format('CREATE SCHEMA t%s', n); {clones}"
        "INSERT INTO tenants_client (schema_name, name, created_at) VALUES ('t' || n, 't', now()); "
        "END LOOP; END $$"
    )
    return current


def test_two_hundred_tenants_cost_no_statements_of_their_own(many):
    code = """
from django.test.utils import CaptureQueriesContext
with CaptureQueriesContext(connection) as captured:
    deleted = delete_everywhere(eleni)
asked = [one["sql"] for one in captured if not one["sql"].startswith("SET search_path")]
show([len(asked), sorted(deleted.schemas)])
"""

    statements, schemas = shown(many, code)

    assert schemas == ["athena", "kypseli", "piraeus", "public"]
    assert statements < 100


def test_tenants_without_references_keep_no_locks_until_the_transaction_ends(many):
    code = """
with transaction.atomic(), connection.cursor() as cursor:
    delete_everywhere(eleni)
    cursor.execute(
        "SELECT count(*) FROM pg_locks JOIN pg_class c ON c.oid = relation"
        " WHERE pid = pg_backend_pid() AND relnamespace::regnamespace::text ~ '^t[0-9]'"
    )
    show(cursor.fetchone()[0])
"""

    assert shown(many, code) == 0
