"""REST for batches: how many of their runs may be under way at once."""

from typing import Any

from django.db.models import Count, Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs import batches
from runs.models import RunBatch
from runs.states import ACTIVE, WAITING
from vivaria.errors import InvalidInput, NotFound

LARGEST_LIMIT = 2**31 - 1


class BatchSerializer(serializers.ModelSerializer[RunBatch]):
    """A batch and what it carries."""

    active_runs = serializers.IntegerField(read_only=True)
    waiting_runs = serializers.IntegerField(read_only=True)

    class Meta:
        model = RunBatch
        fields = ["name", "concurrency_limit", "active_runs", "waiting_runs"]


class BatchLimitSerializer(serializers.Serializer[Any]):
    """A batch's new limit."""

    concurrency_limit = serializers.IntegerField(
        min_value=0, max_value=LARGEST_LIMIT, allow_null=True, help_text="0 stops it, null is none."
    )


class BatchList(generics.ListAPIView[RunBatch]):
    """Batches by name, with the number of their runs under way and waiting."""

    serializer_class = BatchSerializer
    pagination_class = None
    filter_backends = ()

    def get_queryset(self) -> QuerySet[RunBatch]:
        return _with_runs()


class BatchDetail(APIView):
    @extend_schema(responses=BatchSerializer)
    def get(self, request: Request) -> Response:
        """The batch that the parameter `name` names."""
        return _shown(request.query_params.get("name", ""))

    @extend_schema(request=BatchLimitSerializer, responses=BatchSerializer)
    def patch(self, request: Request) -> Response:
        """Change how many of its runs may be under way; runs that wait hear of it at once."""
        name = request.query_params.get("name", "")
        if unknown := sorted(set(request.data) - {"concurrency_limit"}):
            raise InvalidInput(
                f"{unknown[0]} cannot be changed; give concurrency_limit.", field=unknown[0]
            )
        asked = BatchLimitSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        batches.set_limit(name=name, limit=asked.validated_data["concurrency_limit"])
        return _shown(name)


def _shown(name: str) -> Response:
    batch = _with_runs().filter(pk=name).first()
    if batch is None:
        raise NotFound(f"There is no batch named {name!r}.")
    return Response(BatchSerializer(batch).data)


def _with_runs() -> QuerySet[RunBatch]:
    return RunBatch.objects.annotate(
        active_runs=Count("runs", filter=Q(runs__status__in=ACTIVE)),
        waiting_runs=Count("runs", filter=Q(runs__status__in=WAITING)),
    ).order_by("name")
