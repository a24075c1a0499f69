"""What the Rule leaves out: keys of every kind, an exclusion, and names that a history has given."""

from .detailed import describe
from .release import Project

SHELF = """
migrations.CreateModel("Rack", [
    ("id", models.AutoField(primary_key=True)),
    ("label", models.CharField(max_length=30, db_index=True)),
    ("slot", models.SlugField(unique=True)),
    ("number", models.PositiveSmallIntegerField(null=True)),
    ("price", models.DecimalField(max_digits=8, decimal_places=2, db_default=1)),
    ("period", ranges.DateTimeRangeField(null=True)),
    ("rule", models.ForeignKey("announcements.Rule", models.CASCADE, to_field="code")),
    ("parent", models.ForeignKey("self", models.SET_NULL, null=True)),
    ("building", models.OneToOneField("buildings.Building", models.CASCADE, null=True)),
    ("author", models.ForeignKey("users.User", models.SET_NULL, null=True, related_name="+")),
    ("rules", models.ManyToManyField("announcements.Rule", related_name="+")),
], options={"unique_together": {("label", "number")}}),
migrations.RenameModel("Rack", "Shelf"),
migrations.AlterField("shelf", "number", models.PositiveSmallIntegerField(null=True, unique=True)),
migrations.AddField("shelf", "depth", models.PositiveIntegerField(default=3)),
migrations.AddConstraint("shelf", ExclusionConstraint(name="shelf_periods", expressions=[("period", "&&")])),
migrations.AddConstraint("shelf", models.UniqueConstraint(
    models.functions.Lower("label"), name="shelf_label")),
migrations.CreateModel("Mark", [
    ("pk", models.CompositePrimaryKey("shelf", "position", primary_key=True)),
    ("shelf", models.ForeignKey("announcements.Shelf", models.CASCADE)),
    ("position", models.IntegerField()),
    ("text", models.TextField(blank=True)),
], options={"constraints": [
    models.UniqueConstraint(fields=["text"], include=["position"], name="mark_text"),
]}),
"""

# Given by an earlier name of the table, or by an ALTER TABLE; and what CREATE TABLE gives, and so a repair.
NAMES = {
    "announcements_rack": "announcements_shelf",
    "announcements_shelf_number_41a8853b_uniq": "announcements_shelf_number_key",
}

IMPORTS = """from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ranges
"""


def describe_all(project: Project) -> None:
    """Add the Rule and these models."""
    describe(project)
    project.migration("announcements", "0005_varied", "0004_rule", SHELF, IMPORTS)
