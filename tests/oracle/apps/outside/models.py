from django.db import models


class Reference(models.Model):
    name = models.CharField(max_length=20, default="")

    class Meta:
        managed = False
        permissions = [("quote", "Can quote a reference")]

    def __str__(self):
        return self.name


class Quotation(Reference):
    class Meta:
        proxy = True
        verbose_name = "quoted reference"

    def __str__(self):
        return f"quoted {self.name}"
