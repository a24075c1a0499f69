from django.db import connection, migrations

from leftovers.kinds import LEAVE


def leave(apps, schema_editor):
    """In each schema what its name says, so that nothing hides behind anything else."""
    statement = LEAVE.get(connection.schema_name)
    if statement:
        with connection.cursor() as cursor:
            cursor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("leftovers", "0002_look")]
    operations = [migrations.RunPython(leave)]
