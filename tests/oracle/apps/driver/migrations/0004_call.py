from django.db import connection, migrations


def call(apps, schema_editor):
    with connection.cursor() as cursor:
        cursor.callproc("driver_add", [f"called in {connection.schema_name}"])


class Migration(migrations.Migration):
    dependencies = [("driver", "0003_connection")]
    operations = [migrations.RunPython(call)]
