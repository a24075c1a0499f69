from django.conf import settings
from django.db import models


class Building(models.Model):
    name = models.CharField(max_length=120)
    address = models.CharField(max_length=200, blank=True)
    slug = models.SlugField(max_length=120, blank=True)

    def __str__(self) -> str:
        return self.name


class BuildingMembership(models.Model):
    building = models.ForeignKey(Building, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=20, default="resident")

    class Meta:
        indexes = [models.Index(fields=["building", "role"], name="membership_building_role")]

    def __str__(self) -> str:
        return f"{self.user} ({self.role}) in {self.building}"
