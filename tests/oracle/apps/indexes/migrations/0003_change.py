from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("indexes", "0002_add")]
    operations = [
        migrations.RenameIndex("entry", new_name="entry_named", old_name="entry_name"),
        migrations.RenameIndex("entry", new_name="entry_b_c", old_fields=("b", "c")),
        migrations.AlterConstraint(
            "entry",
            "entry_check",
            models.CheckConstraint(
                condition=Q(b__gte=models.F("a")) | Q(name="50%"),
                name="entry_check",
                violation_error_message="said otherwise",
            ),
        ),
        migrations.RemoveIndex("entry", "entry_a_b"),
        migrations.RemoveConstraint("entry", "entry_a_positive"),
        migrations.RemoveConstraint("entry", "entry_unique_some"),
        migrations.AddConstraint(
            "entry", models.CheckConstraint(condition=Q(a__gte=-1), name="entry_a_positive")
        ),
        migrations.AlterField("entry", "a", models.BigIntegerField()),
        migrations.RenameModel("Entry", "Item"),
        migrations.AlterField("item", "name", models.CharField(max_length=80, db_index=True)),
    ]
