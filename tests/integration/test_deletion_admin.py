"""The public admin's delete pages, through the admin's own views."""

import json
import re
from typing import Any

import pytest

from tests.conftest import TENANTS
from tests.support.release import Project

START = """
import json, re
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext, setup_test_environment
from django_tenants.utils import schema_context
from tenants.models import Client, Domain
from users.models import User
from buildings.models import Building, BuildingMembership
public = Client(schema_name="public", name="The company")
public.auto_create_schema = False
public.save()
Domain.objects.create(tenant=public, domain="testserver")
boss = User.objects.create_superuser("boss")
eleni = User.objects.get(username="eleni")
browser = Browser(raise_request_exception=True)
browser.force_login(boss)
PAGE = f"/admin/users/user/{eleni.pk}/delete/"
LIST = "/admin/users/user/"

def text(response):
    assert response.status_code == 200, response.status_code
    return re.sub(r"\\s+", " ", re.sub(r"<script.*?</script>", "", response.content.decode(), flags=re.S))

def chosen(*users, **more):
    return {"action": "delete_selected", "_selected_action": [user.pk for user in users], **more}

def show(value):
    print(json.dumps(value))
"""
PROTECT = """
    guard = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
"""


def shown(project: Project, code: str) -> Any:
    """Run code as somebody who is signed in; what it showed."""
    return json.loads(project.python(START + code).splitlines()[-1])


def items(page: str) -> list[str]:
    """The lines of the page's list."""
    found = re.search(r"<h2>Objects</h2>(.*?)<form", page)
    assert found, page
    texts = [re.sub(r"<[^>]*>", " ", part).strip() for part in re.split(r"<li>", found[1])]
    return [re.sub(r"\s+", " ", one) for one in texts if one]


@pytest.fixture
def guarded(current: Project) -> Project:
    """The buildings have a guard, who cannot be deleted."""
    models = current.folder / "buildings" / "models.py"
    models.write_text(
        models.read_text(encoding="utf-8").replace(
            "    slug = models.SlugField(max_length=120, blank=True)\n",
            f"    slug = models.SlugField(max_length=120, blank=True)\n{PROTECT}",
        ),
        encoding="utf-8",
    )
    current.manage("makemigrations", "-v", "0", "buildings")
    current.manage("migrate_schemas", "-v", "0")
    current.database.sql(
        "UPDATE kypseli.buildings_building SET guard_id = u.id FROM users_user u"
        " WHERE username = 'eleni' AND name LIKE '%1'"
    )
    return current


def test_the_page_lists_what_will_go_in_every_tenant(current):
    page = shown(current, "show(text(browser.get(PAGE)))")

    assert items(page) == [
        "User: Eleni",
        "Tenant athena: 2 objects",
        "Building membership: Eleni (resident) in Athena Homes 1",
        "Building membership: Eleni (resident) in Athena Homes 2",
        "Tenant kypseli: 2 objects",
        "Building membership: Eleni (resident) in Kypseli Housing 1",
        "Building membership: Eleni (resident) in Kypseli Housing 2",
        "Tenant piraeus: 2 objects",
        "Building membership: Eleni (resident) in Piraeus Harbour Flats 1",
        "Building membership: Eleni (resident) in Piraeus Harbour Flats 2",
    ]
    assert "Building memberships: 6" in page


def test_looking_at_the_page_deletes_nothing(current):
    assert shown(current, "browser.get(PAGE)\nshow(User.objects.filter(username='eleni').count())") == 1


def test_confirming_deletes_in_every_tenant(current):
    code = """
response = browser.post(PAGE, {"post": "yes"}, follow=True)
show([User.objects.filter(username="eleni").count(), "was deleted successfully" in text(response)])
"""

    assert shown(current, code) == [0, True]
    for schema in TENANTS:
        assert current.database.sql(f"SELECT count(*) FROM {schema}.buildings_buildingmembership") == "6"


def test_the_bulk_action_lists_and_deletes_in_every_tenant(current):
    code = """
nikos = User.objects.get(username="nikos")
page = text(browser.post(LIST, chosen(eleni, nikos)))
browser.post(LIST, chosen(eleni, nikos, post="yes"))
show([page, User.objects.filter(username__in=["eleni", "nikos"]).count()])
"""

    page, left = shown(current, code)

    assert [line for line in items(page) if not line.startswith("Building")] == [
        "User: Eleni",
        "User: Nikos",
        "Tenant athena: 4 objects",
        "Tenant kypseli: 4 objects",
        "Tenant piraeus: 4 objects",
    ]
    assert left == 0
    assert current.database.sql("SELECT count(*) FROM athena.buildings_buildingmembership") == "4"


@pytest.mark.parametrize(
    "act", ["browser.post(PAGE, {'post': 'yes'})", "browser.post(LIST, chosen(eleni, post='yes'))"]
)
def test_a_protected_object_in_one_tenant_is_named_and_nothing_can_be_deleted(guarded, act):
    page, left = shown(guarded, f"show([text({act}), User.objects.filter(username='eleni').count()])")

    assert "kypseli: Building: Kypseli Housing 1" in page
    assert "<li>athena" not in page
    assert 'name="post"' not in page
    assert left == 1


def test_a_long_list_is_cut_and_counted(current):
    current.database.sql(
        "INSERT INTO athena.buildings_buildingmembership (building_id, user_id, role)"
        " SELECT (SELECT min(id) FROM athena.buildings_building), id, 'guest'"
        " FROM users_user, generate_series(1, 3000) WHERE username = 'eleni'"
    )
    code = """
with CaptureQueriesContext(connection) as captured:
    page = text(browser.get(PAGE))
show([page, len([one for one in captured if not one["sql"].startswith("SET search_path")])])
"""

    page, statements = shown(current, code)

    assert "Tenant athena: 3002 objects" in items(page)
    assert "and 2982 more" in items(page)
    assert len(items(page)) < 40
    assert statements < 150


def test_no_link_leads_to_a_tenants_object(current):
    register = "from django.contrib import admin\nadmin.site.register(BuildingMembership)\n"
    current.write("buildings/admin.py", f"from .models import BuildingMembership\n{register}")

    page = shown(current, "show(text(browser.get(PAGE)))")

    assert "Building membership: Eleni" in page
    assert "/buildingmembership/" not in page.partition("<h2>Objects</h2>")[2].partition("<form")[0]


@pytest.mark.parametrize(("registered", "allowed"), [(True, False), (False, True)])
def test_permission_is_needed_for_a_tenants_objects_only_where_their_model_is_registered(
    current, registered, allowed
):
    if registered:
        register = "from django.contrib import admin\nadmin.site.register(BuildingMembership)\n"
        current.write("buildings/admin.py", f"from .models import BuildingMembership\n{register}")
    code = """
from django.contrib.auth.models import Permission
clerk = User.objects.create_user("clerk", is_staff=True)
clerk.user_permissions.set(Permission.objects.filter(codename__in=["delete_user", "view_user"]))
browser.force_login(clerk)
show("Are you sure" in text(browser.get(PAGE)))
"""

    assert shown(current, code) is allowed


def test_the_deletion_can_be_imported_without_the_admin(current):
    current.write("users/admin.py", "")
    current.write("tenants/admin.py", "")
    current.write("config/urls_public.py", "urlpatterns = []\n")
    current.settings(
        'INSTALLED_APPS.remove("django.contrib.admin")\nSHARED_APPS.remove("django.contrib.admin")'
    )
    code = """
import sys
from railway_release.django.deletion import delete_everywhere
print("django.contrib.admin" in sys.modules)
"""

    assert current.python(code, TEST_COLD="1").splitlines()[-1] == "False"
