from django.db import models


class Note(models.Model):
    reference = models.ForeignKey("outside.Reference", models.CASCADE)
    others = models.ManyToManyField("outside.Reference", related_name="+")

    def __str__(self):
        return str(self.reference)
