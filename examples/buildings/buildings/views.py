from django.http import HttpRequest, JsonResponse

from .models import Building


def index(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"buildings": list(Building.objects.values("name", "slug", "address"))})
