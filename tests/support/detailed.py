"""A model with something of everything that the example's own do without."""

from .release import Project

RULE = """
migrations.CreateModel("Rule", [
    ("id", models.BigAutoField(primary_key=True)),
    ("code", models.CharField(max_length=20, unique=True)),
    ("title", models.CharField(max_length=50, db_collation="C")),
    ("amount", models.DecimalField(max_digits=10, decimal_places=2, null=True)),
    ("rank", models.PositiveIntegerField()),
    ("kept", models.BooleanField(db_default=True)),
    ("twice", models.GeneratedField(
        expression=models.F("rank") * 2, output_field=models.IntegerField(), db_persist=True)),
    ("data", models.JSONField(default=dict)),
    ("document", models.UUIDField()),
], options={
    "indexes": [
        models.Index(fields=["rank", "-amount"], name="rule_ranks"),
        models.Index(models.functions.Upper("title"), name="rule_titles"),
        models.Index(fields=["rank"], condition=models.Q(kept=True, rank__gte=3), name="rule_kept"),
        models.Index(fields=["document"], include=["rank"], name="rule_documents"),
    ],
    "constraints": [
        models.CheckConstraint(
            condition=models.Q(rank__lt=100) | models.Q(code__in=["a", "b"]), name="rule_rank"),
        models.UniqueConstraint(
            fields=["rank", "title"], name="rule_once", deferrable=models.Deferrable.DEFERRED),
        models.UniqueConstraint(fields=["document"], condition=models.Q(kept=True), name="rule_document"),
    ],
})
"""


def describe(project: Project) -> None:
    """Add the model."""
    project.migration("announcements", "0004_rule", "0003_announcement_pinned", RULE)
