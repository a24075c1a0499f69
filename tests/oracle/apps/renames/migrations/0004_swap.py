from django.db import migrations


class Migration(migrations.Migration):
    """Two models change their names with each other; one is renamed in the state alone."""

    dependencies = [("renames", "0003_third")]
    operations = [
        migrations.RenameModel("First", "Between"),
        migrations.RenameModel("Third", "First"),
        migrations.RenameModel("Between", "Third"),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Named", "Called"),
                migrations.AlterModelTable("called", "renames_named"),
            ]
        ),
        # A content type of this name has been there since the deletion, so this one cannot be renamed to it.
        migrations.RenameModel("Durable", "Doomed"),
    ]
