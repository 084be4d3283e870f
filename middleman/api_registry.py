"""REST for administrators: providers, models, groups and budgets.

Whoever may do it in the admin may do it here, and the admin's history tells of both.
"""

from typing import Any, Final, cast

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Group
from django.db import models, transaction
from django.db.models import ProtectedError
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.permissions import DjangoModelPermissions, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from middleman import registry
from middleman.models import Budget, Model, Provider
from middleman.serializers import (
    BudgetSerializer,
    GroupSerializer,
    KnownProviderSerializer,
    ModelSerializer,
    NewBudgetSerializer,
    ProviderSerializer,
)
from runs.models import RunBatch
from vivaria.errors import Conflict, InvalidInput
from vivaria.models import User
from vivaria.paging import KeysetPagination

_SECRETS: Final = frozenset({"key"})


class AsInTheAdmin(DjangoModelPermissions):
    """For those who have the admin's permission for what they do; looking needs one too."""

    perms_map = {
        **DjangoModelPermissions.perms_map,
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
    }


class Noted(generics.GenericAPIView[Any]):
    """Keeps a line in the admin's history of each write, and what was written by it."""

    permission_classes = (IsAdminUser, AsInTheAdmin)

    def perform_create(self, serializer: Any) -> None:
        with transaction.atomic():
            self.note(serializer.save(), ADDITION)

    def perform_update(self, serializer: Any) -> None:
        with transaction.atomic():
            self.note(serializer.save(), CHANGE)

    def perform_destroy(self, instance: Any) -> None:
        with transaction.atomic():
            self.note(instance, DELETION)
            try:
                instance.delete()
            except ProtectedError as error:
                users = ", ".join(sorted(str(row) for row in error.protected_objects)[:10])
                raise Conflict(f"{instance} is in use by {users}. Change those first.") from error

    def note(self, row: models.Model, kind: int) -> None:
        data: Any = self.request.data
        given: dict[str, Any] = data if isinstance(data, dict) else {}
        shown = [
            "key" if name in _SECRETS else f"{name} = {given[name]!r}" for name in sorted(given)
        ]
        LogEntry.objects.log_actions(
            cast(User, self.request.user).pk,
            [row],
            kind,
            change_message=f"By REST: {', '.join(shown) or 'nothing'}."[:1000],
            single_object=True,
        )


class ProviderList(Noted, generics.ListCreateAPIView[Provider]):
    """All providers, those of the environment too; or a new row."""

    queryset = Provider.objects.order_by("name")
    serializer_class = ProviderSerializer

    @extend_schema(responses=KnownProviderSerializer(many=True))
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the providers that are asked, and whether there is a key for them."""
        rows = set(Provider.objects.values_list("name", flat=True))
        known = sorted(registry.known_providers().values(), key=lambda each: each.name)
        shown = [
            {
                "name": each.name,
                "wire": each.wire,
                "base_url": each.base_url,
                "is_enabled": each.is_enabled,
                "has_key": bool(each.key),
                "is_row": each.name in rows,
            }
            for each in known
        ]
        return Response(KnownProviderSerializer(shown, many=True).data)


class ProviderDetail(Noted, generics.RetrieveUpdateDestroyAPIView[Provider]):
    """One provider. To change one of the environment's gives it a row, which wins."""

    queryset = Provider.objects.all()
    serializer_class = ProviderSerializer
    lookup_field = "name"
    http_method_names = ("get", "patch", "delete", "head", "options")

    def get_object(self) -> Provider:
        name = self.kwargs["name"]
        named = registry.named_by_environment(name)
        if self.request.method != "PATCH" or named is None:
            return cast(Provider, super().get_object())
        self.check_permissions(self.request)
        row, _ = Provider.objects.get_or_create(
            name=name, defaults={"wire": named.wire, "base_url": named.base_url}
        )
        return row


class ModelList(Noted, generics.ListCreateAPIView[Model]):
    """The models with a row; or a new row. Models without one are called by their name's rule."""

    queryset = Model.objects.prefetch_related("groups").order_by("name")
    serializer_class = ModelSerializer


class ModelDetail(Noted, generics.RetrieveUpdateDestroyAPIView[Model]):
    """One model. To change one that has no row gives it one, if its name says who answers."""

    queryset = Model.objects.prefetch_related("groups")
    serializer_class = ModelSerializer
    lookup_field = "name"
    http_method_names = ("get", "patch", "delete", "head", "options")

    def get_object(self) -> Model:
        name = self.kwargs["name"]
        if self.request.method == "PATCH" and len(name) <= _LONGEST_NAME:
            registry.check_is_known(name)
            Model.objects.get_or_create(name=name)
        return cast(Model, super().get_object())


class GroupList(Noted, generics.ListCreateAPIView[Group]):
    """Groups of people, by which models are opened to them."""

    queryset = Group.objects.prefetch_related("user_set").order_by("name")
    serializer_class = GroupSerializer


class GroupDetail(Noted, generics.RetrieveUpdateDestroyAPIView[Group]):
    """One group."""

    queryset = Group.objects.prefetch_related("user_set")
    serializer_class = GroupSerializer
    lookup_field = "name"
    http_method_names = ("get", "patch", "delete", "head", "options")


class BudgetsInOrder(KeysetPagination):
    """Pages of budgets, the oldest first."""

    param = "after"
    descending = False


class BudgetList(Noted, generics.ListCreateAPIView[Budget]):
    """What users and batches have spent and may spend."""

    queryset = Budget.objects.select_related("user")
    serializer_class = BudgetSerializer
    pagination_class = BudgetsInOrder

    @extend_schema(request=NewBudgetSerializer, responses=BudgetSerializer)
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Bound what a user's or a batch's calls may cost; said again it sets the limit anew."""
        asked = NewBudgetSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        limit = asked.validated_data["limit_usd"]
        with transaction.atomic():
            budget, _ = Budget.objects.update_or_create(
                **_owner(asked.validated_data), defaults={"limit_usd": limit}
            )
            self.note(budget, CHANGE)
        return Response(BudgetSerializer(budget).data)


class BudgetDetail(Noted, generics.RetrieveUpdateAPIView[Budget]):
    """One budget. What was spent stays, so it is never deleted: a limit of null lifts it."""

    queryset = Budget.objects.select_related("user")
    serializer_class = BudgetSerializer
    http_method_names = ("get", "patch", "head", "options")


_LONGEST_NAME: Final = 200


def _owner(given: dict[str, Any]) -> dict[str, Any]:
    """Find whose budget is meant.

    Raises:
        InvalidInput: neither or both are given, or there is no such user or batch.
    """
    name, batch = given.get("user"), given.get("batch")
    if (name is None) == (batch is None):
        raise InvalidInput("Give user or batch, one of them.", field="user")
    if name is not None:
        user = User.objects.filter(username=name).first()
        if user is None:
            raise InvalidInput(f"user is {name[:100]!r}; there is none.", field="user")
        return {"user": user}
    if not RunBatch.objects.filter(pk=batch).exists():
        raise InvalidInput(f"batch is {str(batch)[:100]!r}; there is none.", field="batch")
    return {"batch_id": batch}
