"""REST: search across all traces."""

from typing import Any, cast

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from traces import search
from traces.search_inputs import limit_of, number, wanted_of
from vivaria.models import User


class PieceSerializer(serializers.Serializer[Any]):
    text = serializers.CharField()
    is_hit = serializers.BooleanField()


class HitSerializer(serializers.Serializer[Any]):
    """An entry that was found, with an excerpt in pieces."""

    run_id = serializers.IntegerField()
    index = serializers.IntegerField()
    branch = serializers.IntegerField()
    type = serializers.CharField()
    called_at = serializers.IntegerField()
    task_id = serializers.CharField()
    agent = serializers.CharField()
    run_status = serializers.CharField()
    is_cut = serializers.BooleanField(help_text="Whether only its beginning was searched.")
    excerpt = PieceSerializer(many=True, source="pieces")


class SearchSerializer(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True)
    fresh_at = serializers.IntegerField(help_text="What was stored before this (ms) is found.")
    behind = serializers.IntegerField(help_text="Entries that are not searched yet, about.")
    results = HitSerializer(many=True)


class Search(APIView):
    @extend_schema(
        responses=SearchSerializer,
        parameters=[
            OpenApiParameter("q", str, required=True, description="Words, “a phrase”, -without."),
            OpenApiParameter("kind", str, many=True, description="Kinds, such as `log`."),
            OpenApiParameter("task", str, description="A task, as family/task, or a family."),
            OpenApiParameter("agent", str, description="Name of an agent."),
            OpenApiParameter("run", int, description="One run."),
            OpenApiParameter("since", str, description="Day or time (UTC), as 2026-01-31."),
            OpenApiParameter("until", str, description="The same; a day counts as a whole."),
            OpenApiParameter("before", int, description="Of `next`: older than that hit."),
            OpenApiParameter("limit", int, description="Hits of a page, at most 200."),
        ],
    )
    def get(self, request: Request) -> Response:
        """Find what entries of all traces say, newest first."""
        query: Any = request.query_params
        found = search.search(
            cast(User, request.user),
            wanted_of(query),
            before=number(query, "before"),
            limit=limit_of(query),
        )
        fresh, following = search.freshness(), None
        if found.next_before is not None:
            here = request.build_absolute_uri()
            following = replace_query_param(here, "before", str(found.next_before))
        shown = {
            "next": following,
            "fresh_at": fresh.fresh_at,
            "behind": fresh.behind,
            "results": found.hits,
        }
        return Response(SearchSerializer(shown).data)
