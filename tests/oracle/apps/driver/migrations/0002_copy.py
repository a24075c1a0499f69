import io

from django.db import connection, migrations

COPY = "COPY driver_line (text) FROM STDIN"


def copy(apps, schema_editor):
    text = f"copied into {connection.schema_name}"
    with connection.cursor() as cursor:
        if hasattr(cursor, "copy_expert"):  # psycopg2
            cursor.copy_expert(COPY, io.StringIO(f"{text}\n"))
        else:
            with cursor.copy(COPY) as rows:
                rows.write_row([text])


class Migration(migrations.Migration):
    """What a cursor can do beside execute(), as the first thing that the migration sends."""

    dependencies = [("driver", "0001_initial")]
    operations = [migrations.RunPython(copy)]
