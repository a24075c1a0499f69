"""delete_everywhere on a server without room for the locks that PostgreSQL's own checks take."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import TENANTS
from tests.support.deletion import shown
from tests.support.release import Project
from tests.support.tight import MORE

pytestmark = pytest.mark.xdist_group("tight")


def with_role(project: Project, *grants: str) -> Project:
    """The same project, as a role that may read and write all rows."""
    data = "pg_read_all_data, pg_write_all_data"
    project.database.sql(
        "DROP ROLE IF EXISTS app; CREATE ROLE app LOGIN PASSWORD 'app';"
        f"GRANT {data} TO app; {';'.join(grants)}"
    )
    address = urlsplit(project.database.url)
    project.url = address._replace(netloc=f"app:app@{address.hostname}:{address.port}").geturl()
    return project


TRY = """
def member(schema, key, user):
    return (
        f"INSERT INTO {schema}.buildings_buildingmembership (id, building_id, user_id, role)"
        f" VALUES ({key}, 1, {user}, 'x')"
    )

def sql(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None

def delete(look="SELECT 'deleted'", prepare=()):
    with transaction.atomic():
        for statement in prepare:
            sql(statement)
        try:
            with transaction.atomic():
                delete_everywhere(User.objects.get(username="eleni"))
            found = sql(look)[0][0]
        except Exception as error:
            found = [type(error).__name__, str(error)]
        transaction.set_rollback(True)
    return found
"""
OLD = (
    "CREATE SCHEMA old",
    "CREATE TABLE old.note (id int PRIMARY KEY, person bigint)",
    "INSERT INTO old.note SELECT 1, id FROM users_user WHERE username = 'eleni'",
    "ALTER TABLE old.note ADD CONSTRAINT of_old FOREIGN KEY (person) REFERENCES users_user (id) {}",
)
TRIGGER = (
    "CREATE TABLE audit (name text)",
    """CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO public.audit VALUES (OLD.username); RETURN OLD; END'""",
    "CREATE TRIGGER auditing AFTER DELETE ON users_user FOR EACH ROW EXECUTE FUNCTION note()",
)
ENABLE = "ALTER TABLE users_user ENABLE {} TRIGGER auditing"


def cases(project: Project, **calls: str) -> Any:
    """What each case shows, all in one process; each is rolled back."""
    start = f"""
OLD, TRIGGER, ENABLE = {OLD!r}, {TRIGGER!r}, {ENABLE!r}
version = int(sql("SHOW server_version_num")[0][0])
def old(more):
    return [one.format(more) for one in OLD]
"""
    shows = ", ".join(f"{name!r}: {call}" for name, call in calls.items())
    return shown(project, f"{TRY}{start}show({{{shows}}})")


def test_the_plain_way_fails_there(cramped):
    """Without this, the other tests here would prove nothing."""
    code = """
for schema in ("athena", "kypseli", "piraeus"):
    with schema_context(schema):
        BuildingMembership.objects.filter(user=eleni).delete()
def act():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM users_user WHERE username = 'eleni'")
show(refusal(act))
"""
    kind, text = shown(cramped, code)

    assert (kind, text.splitlines()[0]) == ("OperationalError", "out of shared memory")


def test_a_superuser_deletes_and_commits(cramped):
    """What is proven is not checked again, and the result is the same."""
    two = {"buildings.BuildingMembership": 2}

    deleted = shown(cramped, "show(delete_everywhere(eleni).schemas)")

    assert deleted == {**dict.fromkeys(TENANTS, two), "public": {"users.User": 1}}
    assert cramped.database.lines("SELECT username FROM users_user WHERE username = 'eleni'") == []


def test_nothing_but_the_proven_checks_is_left_out(cramped):
    """Keys that no model knows are obeyed, their ON DELETE actions done, triggers never skipped."""
    found = cases(
        cramped,
        setting="delete('SHOW session_replication_role')",
        restricted="delete(prepare=old(''))",
        cascade="delete('SELECT count(*) FROM old.note', old('ON DELETE CASCADE'))",
        null="delete('SELECT count(person) FROM old.note', old('ON DELETE SET NULL'))",
        unenforced="delete(prepare=old('NOT ENFORCED') if version >= 180000 else ())",
        trigger="delete(prepare=TRIGGER)",
        always="delete('SELECT name FROM audit', [*TRIGGER, ENABLE.format('ALWAYS')])",
        replica="delete(prepare=[*TRIGGER, ENABLE.format('REPLICA')])",
        rule="delete(prepare=['CREATE RULE keep AS ON DELETE TO users_user DO INSTEAD NOTHING'])",
        snapshot="delete(prepare=['ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ'])",
    )

    assert found["setting"] == "origin"
    assert found["restricted"][0] == "IntegrityError"
    assert 'violates foreign key constraint "of_old" on table "old"."note"' in found["restricted"][1]
    assert (found["cascade"], found["null"], found["unenforced"]) == (0, 0, "deleted")
    assert found["trigger"][0] == "TooFewLocks"
    assert "public.users_user: its trigger auditing would not be run" in found["trigger"][1]
    assert found["always"] == "eleni"
    assert "its trigger auditing" in found["replica"][1]
    assert "its rule keep would not be followed" in found["rule"][1]
    assert "a transaction that is repeatable read" in found["snapshot"][1]


def test_what_the_callers_transaction_did_is_seen(cramped):
    """A row that nobody else can see yet goes as well, and a key to it that is made afterwards is checked."""
    code = """
from django.db.models.signals import post_delete
seen = []
def look(**kwargs):
    seen.append(sql("SHOW session_replication_role")[0][0])
    sql(member("t2", 1, number))
number = eleni.pk
with transaction.atomic():
    sql(member("t1", 1, number))
    deleted = delete_everywhere(eleni).schemas["t1"]
    transaction.set_rollback(True)
eleni = User.objects.get(username="eleni")
post_delete.connect(look, sender=User)
show([deleted, seen, refusal(lambda: delete_everywhere(eleni)), seen])
"""
    deleted, _, (kind, text), seen = shown(cramped, TRY + code)

    assert deleted == {"buildings.BuildingMembership": 1}
    assert (kind, 'violates foreign key constraint "user_of_t2"' in text) == ("IntegrityError", True)
    assert seen == ["origin"]


def test_a_role_without_the_privilege_is_refused_with_numbers(cramped):
    """Before anything is deleted, also on the page that asks for confirmation."""
    code = """
from railway_release.django.deletion import TenantCascadeAdminMixin, TooFewLocks
from django.contrib.admin import ModelAdmin, site
from django.test import RequestFactory
from django.db.models.signals import pre_delete
deleted = []
pre_delete.connect(lambda **kwargs: deleted.append(1))
class Page(TenantCascadeAdminMixin, ModelAdmin):
    pass
request = RequestFactory().get("/")
request.user = User(is_superuser=True)
try:
    delete_everywhere(eleni)
except TooFewLocks as error:
    page = Page(User, site).get_deleted_objects([eleni], request)[3]
    show([error.needed, error.setting, str(error), deleted, page])
"""
    project = with_role(cramped)
    needed, setting, text, deleted, page = shown(project, code)

    assert needed > 10 * MORE
    assert setting * 20 >= needed
    assert "Nothing was deleted" in text
    assert f"takes {needed} locks" in text
    assert f"ALTER SYSTEM SET max_locks_per_transaction = {setting}" in text
    assert "GRANT SET ON PARAMETER session_replication_role TO app" in text
    assert deleted == []
    assert ["may not set session_replication_role" in one for one in page] == [True]


def test_a_role_with_the_privilege_on_the_setting_deletes(cramped):
    """From PostgreSQL 15 on, no superuser is needed; what it cannot see it cannot prove."""
    if int(cramped.database.sql("SHOW server_version_num")) < 150000:
        pytest.skip("privileges on settings came with PostgreSQL 15")
    hide = "ALTER TABLE old.note ENABLE ROW LEVEL SECURITY"
    cramped.database.sql(";".join((OLD[0], OLD[1], OLD[3].format(""), hide)))
    owner = cramped.database
    role = with_role(cramped, "GRANT SET ON PARAMETER session_replication_role TO app")
    refused = cases(role, hidden="delete()")["hidden"]
    owner.sql("ALTER TABLE old.note DISABLE ROW LEVEL SECURITY")

    assert "the role cannot see all rows of old.note" in refused[1]
    assert shown(role, "show(delete_everywhere(eleni).total)") == 7


def test_no_reference_outlives_a_deletion_beside_writers(cramped):
    """Four sessions insert members of whoever is there, while one user after the other goes."""
    code = """
import itertools, random, threading
from django.db import IntegrityError, connections
people = {user.username: user.pk for user in User.objects.filter(username__in=["eleni", "nikos"])}
inserted, refused, ended = {}, {}, threading.Event()
def write(number):
    keys = itertools.count(1000)
    try:
        while not ended.is_set():
            for name, key in people.items():
                with schema_context(f"t{random.randint(1, 5)}"):
                    member = BuildingMembership(id=next(keys) * 10 + number, building_id=1, user_id=key)
                    try:
                        member.save(force_insert=True)
                        inserted.setdefault((number, name), 1)
                    except IntegrityError:
                        refused.setdefault((number, name), 1)
    finally:
        connections.close_all()
threads = [threading.Thread(target=write, args=(number,), daemon=True) for number in range(4)]
for thread in threads:
    thread.start()
def until(seen, name):
    while sum(1 for _, other in list(seen) if other == name) < len(threads):
        assert all(thread.is_alive() for thread in threads)
totals = []
for name in people:
    until(inserted, name)
    totals.append(delete_everywhere(User.objects.get(username=name)).total)
    until(refused, name)
ended.set()
for thread in threads:
    thread.join()
orphans = 0
for schema in ["athena", "kypseli", "piraeus", *(f"t{n}" for n in range(1, 6))]:
    with schema_context(schema):
        orphans += BuildingMembership.objects.exclude(user_id__in=User.objects.values("pk")).count()
show([len(totals), min(totals), orphans])
"""
    deleted, least, orphans = shown(cramped, code)

    assert (deleted, least > 7, orphans) == (2, True, 0)
