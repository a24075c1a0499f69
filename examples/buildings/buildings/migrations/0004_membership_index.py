from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("buildings", "0003_building_address")]

    operations = [
        migrations.AddIndex(
            "buildingmembership",
            models.Index(fields=["building", "role"], name="membership_building_role"),
        ),
    ]
