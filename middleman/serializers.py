"""What REST shows and takes of providers, models, groups and budgets. A key goes in, never out."""

from typing import TYPE_CHECKING, Any, cast

from django.contrib.auth.models import Group
from django.db import transaction
from rest_framework import serializers

from middleman.models import Budget, Model, Provider
from vivaria.models import User
from vivaria.sealing import seal

# Generic for the type checker alone.
if TYPE_CHECKING:
    ProviderBase = serializers.ModelSerializer[Provider]
    ModelBase = serializers.ModelSerializer[Model]
    BudgetBase = serializers.ModelSerializer[Budget]
    GroupBase = serializers.ModelSerializer[Group]
else:
    ProviderBase = ModelBase = BudgetBase = GroupBase = serializers.ModelSerializer


class ProviderSerializer(ProviderBase):
    has_key = serializers.BooleanField(read_only=True)
    key = serializers.CharField(
        write_only=True,
        required=False,
        allow_blank=True,
        max_length=2000,
        help_text="Stored encrypted and shown to nobody; empty: forget the key.",
    )

    class Meta:
        model = Provider
        fields = ["name", "wire", "base_url", "is_enabled", "has_key", "key"]

    def create(self, validated_data: dict[str, Any]) -> Provider:
        return super().create(_sealed(validated_data))

    def update(self, instance: Provider, validated_data: dict[str, Any]) -> Provider:
        # The name is what rows and calls know it by.
        validated_data.pop("name", None)
        return cast(Provider, save_columns(instance, _sealed(validated_data)))


class KnownProviderSerializer(serializers.Serializer[Any]):
    """A provider in the list: a row, or one that the environment names."""

    name = serializers.CharField()
    wire = serializers.CharField()
    base_url = serializers.CharField()
    is_enabled = serializers.BooleanField()
    has_key = serializers.BooleanField()
    is_row = serializers.BooleanField(help_text="False: only the environment names it.")


class ModelSerializer(ModelBase):
    groups = serializers.SlugRelatedField(
        slug_field="name", many=True, required=False, queryset=Group.objects.all()
    )

    class Meta:
        model = Model
        fields = [
            "name",
            "provider",
            "name_at_provider",
            "is_enabled",
            "is_hidden",
            "groups",
            "context_length",
            "output_limit",
            "has_vision",
            "is_chat",
            "comments",
            "concurrency_limit",
            "requests_per_minute",
            "tokens_per_minute",
            "input_usd",
            "cache_read_usd",
            "cache_write_usd",
            "output_usd",
        ]

    def update(self, instance: Model, validated_data: dict[str, Any]) -> Model:
        validated_data.pop("name", None)
        groups = validated_data.pop("groups", None)
        with transaction.atomic():
            save_columns(instance, validated_data)
            if groups is not None:
                instance.groups.set(groups)
        return instance


class GroupSerializer(GroupBase):
    users = serializers.SlugRelatedField(
        slug_field="username",
        source="user_set",
        many=True,
        required=False,
        queryset=User.objects.all(),
        help_text="Names of the people in it.",
    )

    class Meta:
        model = Group
        fields = ["name", "users"]


class BudgetSerializer(BudgetBase):
    user = serializers.CharField(source="user.username", read_only=True, default=None)
    batch = serializers.CharField(source="batch_id", read_only=True, allow_null=True)

    class Meta:
        model = Budget
        fields = ["id", "user", "batch", "limit_usd", "spent_usd"]
        read_only_fields = ["spent_usd"]

    def update(self, instance: Budget, validated_data: dict[str, Any]) -> Budget:
        return cast(Budget, save_columns(instance, validated_data))


class NewBudgetSerializer(serializers.Serializer[Any]):
    """Whose calls are bounded, by what."""

    user = serializers.CharField(required=False, help_text="A person's name.")
    batch = serializers.CharField(required=False)
    limit_usd = serializers.FloatField(min_value=0, allow_null=True, help_text="Null: no limit.")


def save_columns(row: Any, values: dict[str, Any]) -> Any:
    """Write these columns alone: the others may have changed since the row was read."""
    for name, value in values.items():
        setattr(row, name, value)
    if values:
        row.save(update_fields=list(values))
    return row


def _sealed(values: dict[str, Any]) -> dict[str, Any]:
    if "key" not in values:
        return values
    key = values["key"].strip()
    rest = {name: value for name, value in values.items() if name != "key"}
    return {**rest, "sealed_key": seal(key) if key else ""}
