"""Every way in which a row can point at a shared object that is deleted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.cases import add_cases
from tests.support.deletion import CASES, START, memberships, shown_of_cases
from tests.support.release import Database, Project
from tests.support.server import create_database, psql
from tests.support.unwell import with_files

pytestmark = pytest.mark.xdist_group("cases")  # the models are made once


@pytest.fixture(scope="session")
def cases_template(server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A database and a folder of the project that has the apps of tests.support.cases."""
    name = f"{current_template}_cases"
    url = create_database(server, name, current_template)
    project = Project(tmp_path_factory.mktemp("cases") / "project", Database(url))
    add_cases(project)
    yield name, project.folder
    psql(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def cases(new_database: Callable[..., Database], cases_template: tuple[str, Path], tmp_path: Path) -> Project:
    name, folder = cases_template
    return with_files(Project(tmp_path / "project", new_database(name)), folder)


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
