from django.contrib.auth.management import create_permissions
from django.db import connection, migrations
from django_tenants.utils import get_public_schema_name, schema_context, tenant_context


def create(apps, schema_editor):
    """As everybody does who needs the permissions before post_migrate."""
    for config in apps.get_app_configs():
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None


def grant(apps, schema_editor):
    group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    readers = group.objects.create(name="readers")
    readers.permissions.add(*permission.objects.filter(codename__in=["view_note", "view_shelf"]))
    readers.permissions.add(permission.objects.get(codename="add_note", content_type__app_label="records"))


def elsewhere(apps, schema_editor):
    note, user = apps.get_model("records", "Note"), apps.get_model("users", "User")
    here = connection.tenant
    with schema_context(get_public_schema_name()):
        users = user.objects.count()
    note.counted.numbered(f"{users} users, back in {connection.schema_name}")
    with tenant_context(here):
        note.counted.numbered(f"here: {connection.tenant.schema_name}")


class Migration(migrations.Migration):
    dependencies = [("records", "0004_content_types")]
    operations = [
        migrations.RunPython(create),
        migrations.RunPython(grant),
        migrations.RunPython(elsewhere),
    ]
