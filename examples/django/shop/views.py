from django.http import JsonResponse
from django.shortcuts import render

from shop.models import Visit


def home(request):
    Visit.objects.create()
    return render(request, "shop/home.html", {"visits": Visit.objects.count()})


def healthz(request):
    return JsonResponse({"status": "ok"})
