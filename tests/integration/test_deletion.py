"""Deleting a shared object together with the tenants' rows that point at it."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TENANTS
from tests.support.cases import add_cases, copy_of
from tests.support.release import ROOT, Database, Project, until
from tests.support.server import database_url, psql

START = """
import json
from django.db import connection, transaction
from django_tenants.utils import schema_context
from users.models import User
from buildings.models import Building, BuildingMembership
from railway_release.django.deletion import delete_everywhere
eleni = User.objects.get(username="eleni")

def show(value):
    print(json.dumps(value))

def refusal(act):
    try:
        act()
    except Exception as error:
        return [type(error).__name__, str(error)]
"""
CASES = """
from people.models import *
from cases.models import *
from places.models import *
"""


def shown(project: Project, code: str, start: str = START) -> Any:
    """Run code in the shared schema; what it showed."""
    return json.loads(project.python(start + code).splitlines()[-1])


def shown_of_cases(project: Project, code: str) -> Any:
    return shown(project, code, START + CASES)


def memberships(project: Project) -> list[str]:
    """How many memberships each tenant has."""
    return [
        project.database.sql(f"SELECT count(*) FROM {schema}.buildings_buildingmembership")
        for schema in TENANTS
    ]


@pytest.fixture(scope="session")
def cases_template(server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A database and a folder of the project that has the apps of tests.support.cases."""
    name = f"{current_template}_cases"
    psql(server, f'CREATE DATABASE "{name}" TEMPLATE "{current_template}"')
    project = Project(tmp_path_factory.mktemp("cases") / "project", Database(database_url(server, name)))
    add_cases(project)
    yield name, project.folder
    psql(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def cases(new_database: Callable[..., Database], cases_template: tuple[str, Path], tmp_path: Path) -> Project:
    name, folder = cases_template
    return copy_of(folder, Project(tmp_path / "project", new_database(name)))


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


def test_a_protected_row_in_one_tenant_forbids_it_and_nothing_is_deleted(cases):
    code = """
with schema_context("kypseli"):
    Lease.objects.create(user=eleni)
show(refusal(lambda: delete_everywhere(eleni)))
"""

    kind, text = shown_of_cases(cases, code)

    assert kind == "ProtectedInSchemas"
    assert text == (
        "Cannot delete some instances of model 'User' because they are referenced through protected foreign"
        " keys in kypseli (cases.Lease: 1). Nothing was deleted."
    )
    assert memberships(cases) == ["8", "8", "8"]


def test_the_error_tells_rows_with_the_same_key_in_two_tenants_apart(cases):
    code = """
from django.db.models import ProtectedError
for schema in ("kypseli", "athena"):
    with schema_context(schema):
        Lease.objects.create(user=eleni)
try:
    delete_everywhere(eleni)
except ProtectedError as error:
    show([sorted(error.by_schema), len(error.protected_objects)])
"""

    assert shown_of_cases(cases, code) == [["athena", "kypseli"], 2]


def test_a_restricted_row_forbids_it_unless_it_goes_by_another_way(cases):
    code = """
profile = Profile.objects.create(user=eleni, code="E")
with schema_context("athena"):
    key = Key.objects.create(profile=profile)
    deposit = Deposit.objects.create(user=eleni)
error = refusal(lambda: delete_everywhere(eleni))
with schema_context("athena"):
    Deposit.objects.update(key=key)
show([error[0], delete_everywhere(eleni).schemas["athena"]])
"""

    assert shown_of_cases(cases, code) == [
        "RestrictedInSchemas",
        {"buildings.BuildingMembership": 2, "cases.Deposit": 1, "cases.Key": 1},
    ]


def test_keys_are_set_to_null_or_their_default_in_every_tenant(cases):
    code = """
for schema in ("athena", "kypseli"):
    with schema_context(schema):
        Note.objects.create(user=eleni, editor=eleni)
delete_everywhere(eleni)
"""

    cases.python(START + CASES + code)

    for schema in ("athena", "kypseli"):
        assert cases.database.lines(
            f"SELECT user_id IS NULL, editor_id IS NULL FROM {schema}.cases_note"
        ) == ["t|t"]


def test_what_hangs_on_shared_objects_that_go_as_well_goes(cases):
    code = """
profile = Profile.objects.create(user=eleni, code="E")
Profile.objects.create(user=User.objects.get(username="nikos"), code="N", elder=profile)
with schema_context("athena"):
    for code in "EN":
        key = Key.objects.create(profile_id=code)
        first = Repair.objects.create(key=key)
        Repair.objects.create(key=key, first=first)
found = delete_everywhere(eleni).schemas
show([found["athena"], found["public"]])
"""

    assert shown_of_cases(cases, code) == [
        {"buildings.BuildingMembership": 2, "cases.Key": 2, "cases.Repair": 4},
        {"people.Profile": 2, "users.User": 1},
    ]


def test_rows_of_many_to_many_tables_go(cases):
    code = """
with schema_context("athena"):
    Club.objects.create().members.add(eleni)
show(delete_everywhere(eleni).schemas["athena"])
"""

    assert shown_of_cases(cases, code) == {"buildings.BuildingMembership": 2, "cases.Club_members": 1}


def test_a_key_that_does_nothing_is_left_to_the_database_which_undoes_everything(cases):
    code = """
with schema_context("athena"):
    Visit.objects.create(user=eleni)
show(refusal(lambda: delete_everywhere(eleni)))
"""

    assert shown_of_cases(cases, code)[0] == "IntegrityError"
    assert memberships(cases) == ["8", "8", "8"]


def test_generic_relations_find_the_rows_by_each_tenants_own_content_type(cases):
    cases.database.sql("UPDATE kypseli.django_content_type SET id = id + 1000 WHERE model = 'company'")
    code = """
company = Company.objects.create(name="Agora")
for schema in ("athena", "kypseli"):
    with schema_context(schema):
        Tag.objects.create(content_object=company)
        Tag.objects.create(object_id=company.pk, content_type=ContentType.objects.get_for_model(User))
show(delete_everywhere(company).schemas)
"""

    assert shown_of_cases(cases, code) == {
        "athena": {"cases.Tag": 1},
        "kypseli": {"cases.Tag": 1},
        "public": {"people.Company": 1},
    }


def test_what_points_at_the_parent_of_an_inherited_model_goes(cases):
    code = """
firm = Firm.objects.create(name="Agora")
with schema_context("athena"):
    Contract.objects.create(company=firm)
show(delete_everywhere(firm).schemas)
"""

    assert shown_of_cases(cases, code) == {
        "athena": {"cases.Contract": 1},
        "public": {"people.Company": 1, "people.Firm": 1},
    }


def test_a_tenants_model_that_inherits_from_a_shared_one_goes_once(cases):
    code = """
with schema_context("athena"):
    caretaker = Caretaker.objects.create(username="maria", area="north")
show(delete_everywhere(User.objects.filter(username="maria")).schemas)
"""

    assert shown_of_cases(cases, code) == {"athena": {"cases.Caretaker": 1}, "public": {"users.User": 1}}


def test_a_tenants_row_is_not_torn_from_a_shared_parent_that_stays(cases):
    code = """
profile = Profile.objects.create(user=eleni, code="E")
with schema_context("athena"):
    Caretaker.objects.create(username="maria", area="north", serves=profile)
show(refusal(lambda: delete_everywhere(profile)))
"""

    kind, text = shown_of_cases(cases, code)

    assert (kind, text.partition(":")[0]) == (
        "ValueError",
        "a tenant's row is part of 1 more users.User, in the shared schema",
    )


def test_a_proxy_is_deleted_as_its_model_is(cases):
    code = 'show(delete_everywhere(Person.objects.filter(username="eleni")).schemas["athena"])'

    assert shown_of_cases(cases, code) == {"buildings.BuildingMembership": 2}


def test_an_app_in_both_lists_keeps_the_tenants_own_rows(cases):
    code = """
for schema in ("public", "athena"):
    with schema_context(schema):
        Street.objects.create(town=Town.objects.create(name="A"))
show(delete_everywhere(Town.objects.get()).schemas)
"""

    assert shown_of_cases(cases, code) == {"public": {"places.Street": 1, "places.Town": 1}}
    assert cases.database.sql("SELECT count(*) FROM athena.places_street") == "1"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("show(refusal(lambda: delete_everywhere(Client.objects.first())))", "tenants.Client is a tenant"),
        (
            'with schema_context("athena"): show(refusal(lambda: delete_everywhere(Building(pk=1))))',
            "buildings.Building has no table in the shared schema 'public'",
        ),
        (
            'with schema_context("athena"): show(refusal(lambda: delete_everywhere(Town(pk=1))))',
            "places.Town has a table in the active schema 'athena' too",
        ),
        ("show(refusal(lambda: delete_everywhere(User())))", "users.User has no primary key"),
    ],
)
def test_what_is_no_shared_object_is_refused_with_the_reason(cases, code, expected):
    kind, text = shown_of_cases(cases, "from tenants.models import Client\n" + code)

    assert kind == "ValueError"
    assert text.startswith(expected)


WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


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


def test_the_readmes_code_deletes_a_user(current):
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Deleting a shared object")[2]
    code, mixin = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], flags=re.DOTALL)
    current.write("users/admin.py", f"from .models import User\n{mixin}")

    current.python(f"from users.models import User\nuser = User.objects.get(username='eleni')\n{code}")

    assert memberships(current) == ["6", "6", "6"]


@pytest.fixture
def many(current: Project) -> Project:
    """Five hundred tenants more, in which nobody is a member."""
    tables = ("django_migrations", "buildings_building", "buildings_buildingmembership")
    clones = "".join(f"EXECUTE format('CREATE TABLE t%s.{one} (LIKE athena.{one})', n); " for one in tables)
    current.database.sql(
        "DO $$ BEGIN FOR n IN 1..500 LOOP "
        f"EXECUTE format('CREATE SCHEMA t%s', n); {clones}"
        "INSERT INTO tenants_client (schema_name, name, created_at) VALUES ('t' || n, 't', now()); "
        "END LOOP; END $$"
    )
    return current


def test_five_hundred_tenants_cost_no_statements_of_their_own(many):
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
