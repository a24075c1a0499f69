from django.db import connection, migrations


def past_django(apps, schema_editor):
    with connection.connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO driver_line (text) VALUES (%s)", [f"past Django in {connection.schema_name}"]
        )


class Migration(migrations.Migration):
    """The driver's own connection, with nothing sent through Django's before."""

    dependencies = [("driver", "0002_copy")]
    operations = [migrations.RunPython(past_django)]
