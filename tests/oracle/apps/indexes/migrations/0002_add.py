from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.functions import Lower, Upper


class Migration(migrations.Migration):
    dependencies = [("indexes", "0001_initial")]
    operations = [
        migrations.AddIndex("entry", models.Index(fields=["name"], name="entry_name")),
        migrations.AddIndex(
            "entry", models.Index(fields=["-c"], name="entry_c", condition=Q(c__isnull=False))
        ),
        migrations.AddIndex("entry", models.Index(fields=["a"], name="entry_covering", include=["b"])),
        migrations.AddIndex("entry", models.Index(Lower("name").desc(), "a", name="entry_lower")),
        migrations.AddIndex(
            "entry",
            models.Index(fields=["name"], name="entry_like", opclasses=["varchar_pattern_ops"]),
        ),
        migrations.AddIndex(
            "entry", models.Index(fields=["b"], name="entry_percent", condition=Q(name__contains="50% it's"))
        ),
        migrations.AddConstraint("entry", models.UniqueConstraint(fields=["a", "b"], name="entry_unique")),
        migrations.AddConstraint(
            "entry", models.UniqueConstraint(fields=["name"], condition=Q(a__gt=2), name="entry_unique_some")
        ),
        migrations.AddConstraint(
            "entry",
            models.UniqueConstraint(
                fields=["name", "a"], name="entry_unique_later", deferrable=models.Deferrable.DEFERRED
            ),
        ),
        migrations.AddConstraint("entry", models.UniqueConstraint(Upper("name"), name="entry_unique_upper")),
        migrations.AddConstraint(
            "entry", models.UniqueConstraint(fields=["c", "a"], name="entry_nulls", nulls_distinct=False)
        ),
        migrations.AddConstraint(
            "entry", models.UniqueConstraint(fields=["b"], include=["c"], name="entry_unique_covering")
        ),
        migrations.AddConstraint(
            "entry", models.CheckConstraint(condition=Q(b__gte=F("a")) | Q(name="50%"), name="entry_check")
        ),
        migrations.AddConstraint(
            "entry",
            models.CheckConstraint(
                condition=~Q(name__startswith="'%"), name="entry_quotes", violation_error_message="%(name)s"
            ),
        ),
    ]
