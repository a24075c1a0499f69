"""Fill the empty database of DATABASE_URL with tenants as they were two releases ago.

``python -m examples.past [SCHEMA ...]`` builds only the tenants named.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

PROJECT = Path(__file__).resolve().parent / "buildings"

TENANTS = {
    "athena": "Athena Homes",
    "kypseli": "Kypseli Housing",
    "piraeus": "Piraeus Harbour Flats",
    "pangrati": "Pangrati Residences",
    "exarchia": "Exarchia Cooperative",
    "glyfada": "Glyfada Seaside",
    "kifisia": "Kifisia Gardens",
    "marousi": "Marousi Towers",
    "nea_smyrni": "Nea Smyrni Estates",
    "plaka": "Plaka Old Town",
    "thiseio": "Thiseio Apartments",
    "zografou": "Zografou Student Homes",
}
WITHOUT_BUILDINGS = "plaka"
WITHOUT_SCHEMA = ("votanikos", "Votanikos Lofts")
# What happened to two of them since: a table was lost, and one ended up in the shared schema.
GHOST = ("glyfada", "buildings_buildingmembership")
MASKED = ("zografou", "announcements_announcement")

SHARED_LEVEL = [("users", "0001_initial")]
BUILDINGS_LEVEL = ("buildings", "0003_building_address")
ANNOUNCEMENTS_LEVEL = ("announcements", "0001_initial")


def main(names: Iterable[str]) -> None:
    sys.path.insert(0, str(PROJECT))
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    build(list(names) or [*TENANTS, WITHOUT_SCHEMA[0]])


def build(names: list[str]) -> None:
    migrate_shared()
    models = models_of_the_past()
    users = add_users(models)
    for schema_name in names:
        if schema_name == WITHOUT_SCHEMA[0]:
            add_tenant(*WITHOUT_SCHEMA)
            continue
        tenant = add_tenant(schema_name, TENANTS.get(schema_name, schema_name))
        create_schema(schema_name)
        migrate_tenant(schema_name)
        with tenant:
            add_rows(models, tenant, users)
        damage(schema_name)


def migrate_shared() -> None:
    call_command("migrate_schemas", shared=True, verbosity=0)
    for level in SHARED_LEVEL:
        call_command("migrate_schemas", *level, shared=True, verbosity=0)


def create_schema(schema_name: str) -> None:
    # TenantMixin.create_schema() either migrates to the newest level or creates nothing.
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {connection.ops.quote_name(schema_name)}")


def migrate_tenant(schema_name: str) -> None:
    levels = [ANNOUNCEMENTS_LEVEL]
    if schema_name != WITHOUT_BUILDINGS:
        levels.append(BUILDINGS_LEVEL)
    for level in [("contenttypes",), *levels]:
        call_command("migrate_schemas", *level, schema_name=schema_name, verbosity=0)


def damage(schema_name: str) -> None:
    with connection.cursor() as cursor:
        if schema_name == GHOST[0]:
            cursor.execute(f"DROP TABLE {'.'.join(GHOST)}")
        if schema_name == MASKED[0]:
            cursor.execute(f"ALTER TABLE {'.'.join(MASKED)} SET SCHEMA public")


def models_of_the_past() -> Any:
    """Return the models as they were: today's have columns that the tables do not have yet."""
    nodes = [*SHARED_LEVEL, BUILDINGS_LEVEL, ANNOUNCEMENTS_LEVEL]
    return MigrationLoader(connection).project_state(nodes).apps


def add_users(models: Any) -> list[Any]:
    user_model = models.get_model("users", "User")
    users = [
        user_model(username=name, first_name=name.title(), email=f"{name}@example.com")
        for name in ("eleni", "giorgos", "katerina", "nikos")
    ]
    return list(user_model.objects.bulk_create(users))


def add_tenant(schema_name: str, name: str) -> Any:
    client = apps.get_model("tenants", "Client")(schema_name=schema_name, name=name)
    client.auto_create_schema = False
    client.save()
    host = schema_name.replace("_", "-")
    apps.get_model("tenants", "Domain").objects.create(tenant=client, domain=f"{host}.localhost")
    return client


def add_rows(models: Any, tenant: Any, users: list[Any]) -> None:
    announcement = models.get_model("announcements", "Announcement")
    announcement.objects.create(title=f"Welcome to {tenant.name}", body="The lift is serviced on Monday.")
    if tenant.schema_name != WITHOUT_BUILDINGS:
        add_buildings(models, tenant.name, users)


def add_buildings(models: Any, name: str, users: list[Any]) -> None:
    building_model = models.get_model("buildings", "Building")
    membership_model = models.get_model("buildings", "BuildingMembership")
    for number in (1, 2):
        building = building_model.objects.create(name=f"{name} {number}", address=f"{number} Agora Street")
        membership_model.objects.bulk_create(membership_model(building=building, user=user) for user in users)


if __name__ == "__main__":
    main(sys.argv[1:])
