"""Admin: providers and their keys, models, budgets, and what was spent."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from middleman.models import Budget, Model, PlaygroundCall, Provider, Spend
from middleman.usage_report import KEYS, SpendQuery, report
from vivaria.admin_bases import HistoryAdmin, QuickAdmin
from vivaria.errors import InvalidInput
from vivaria.sealing import seal

if TYPE_CHECKING:
    ProviderModelForm = forms.ModelForm[Provider]
else:
    ProviderModelForm = forms.ModelForm


class ProviderForm(ProviderModelForm):
    """A key goes in and never comes out: the form shows whether there is one."""

    new_key = forms.CharField(
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Empty: the key stays as it is. It is stored encrypted and shown to nobody.",
    )
    remove_key = forms.BooleanField(required=False, help_text="Forget the key.")

    class Meta:
        model = Provider
        fields = ("name", "wire", "base_url", "is_enabled")

    def save(self, commit: bool = True) -> Provider:  # noqa: FBT001, FBT002  Django's signature
        if key := self.cleaned_data["new_key"]:
            self.instance.sealed_key = seal(key)
        elif self.cleaned_data["remove_key"]:
            self.instance.sealed_key = ""
        return super().save(commit)


@admin.register(Provider)
class ProviderAdmin(QuickAdmin):
    """Providers. One of the environment's name (openai, anthropic, gemini) stands in for it."""

    form = ProviderForm
    can_delete = True
    list_display = ("name", "wire", "base_url", "has_key", "is_enabled")
    list_editable = ("is_enabled",)
    list_filter = ("wire", "is_enabled")
    search_fields = ("name", "base_url")
    fields = ("name", "wire", "base_url", "is_enabled", "has_key", "new_key", "remove_key")
    readonly_fields = ("has_key",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj is None else ("name", *self.readonly_fields)

    @admin.display(boolean=True, description="key")
    def has_key(self, provider: Provider) -> bool:
        return provider.has_key

    def save_model(self, request: HttpRequest, obj: Provider, form: Any, change: bool) -> None:  # noqa: FBT001  Django's
        if not change:
            obj.save()
            return
        of_key = {"new_key", "remove_key"}
        changed = [name for name in form.changed_data if name not in of_key]
        if of_key & set(form.changed_data):
            changed.append("sealed_key")
        obj.save(update_fields=changed)


@admin.register(Model)
class ModelAdmin(QuickAdmin):
    can_delete = True
    list_display = ("name", "provider", "is_enabled", "is_hidden", "concurrency_limit")
    list_editable = ("is_enabled",)
    list_select_related = ("provider",)
    list_filter = ("is_enabled", "is_hidden", "provider")
    search_fields = ("name", "name_at_provider")
    filter_horizontal = ("groups",)
    fieldsets = (
        (None, {"fields": ("name", "provider", "name_at_provider", "is_enabled", "comments")}),
        ("Who may call it", {"fields": ("groups", "is_hidden")}),
        (
            "Limits, shared by all runs",
            {"fields": ("concurrency_limit", "requests_per_minute", "tokens_per_minute")},
        ),
        ("What it can", {"fields": ("context_length", "output_limit", "has_vision", "is_chat")}),
        (
            "Price, in place of the public one",
            {"fields": ("input_usd", "cache_read_usd", "cache_write_usd", "output_usd")},
        ),
    )

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: FBT001  Django's
        if not change:
            obj.save()
            return
        obj.save(update_fields=[name for name in form.changed_data if name != "groups"])


@admin.register(Budget)
class BudgetAdmin(QuickAdmin):
    """What users and batches may spend. Everybody who has spent has a row, most without a limit."""

    list_display = ("owner", "limit_usd", "spent")
    list_filter = (("limit_usd", admin.EmptyFieldListFilter),)
    search_fields = ("user__username", "batch__name")
    fields = ("user", "batch", "limit_usd", "spent")
    readonly_fields = ("spent",)
    autocomplete_fields = ("user", "batch")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # What was spent stays with whose it is.
        return self.readonly_fields if obj is None else ("user", "batch", *self.readonly_fields)

    @admin.display(description="spent (USD)", ordering="spent_usd")
    def spent(self, budget: Budget) -> str:
        return f"{budget.spent_usd:.4f}"


@admin.register(Spend)
class SpendAdmin(HistoryAdmin):
    """What was spent: its sums on top, its rows below."""

    change_list_template = "admin/middleman/spend/change_list.html"
    list_display = (
        "day",
        "model",
        "user_id",
        "batch_id",
        "calls",
        "prompt_tokens",
        "completion_tokens",
        "cost_usd",
        "unpriced_calls",
    )
    list_filter = ("day",)
    search_fields = ("model",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, with sums by what `sum_by` says."""
        query = request.GET.copy()
        by = query.pop("sum_by", ["model"])[-1]
        request.GET = query  # type: ignore[assignment]  # the admin refuses what it does not know
        try:
            summed = report(SpendQuery(by=[by]))
        except InvalidInput:
            by, summed = "model", report(SpendQuery(by=["model"]))
        rows = [(row[by], row) for row in summed.rows[:50]]
        more = {"by": by, "keys": list(KEYS), "sums": rows, "total": summed.total}
        return super().changelist_view(request, {**(extra_context or {}), **more})


@admin.register(PlaygroundCall)
class PlaygroundCallAdmin(HistoryAdmin):
    """Who asked which model what, on the playground."""

    list_display = ("id", "created_at", "user_id", "model", "cost_usd")
    list_filter = ("created_at",)
    search_fields = ("model", "user__username")
    deferred = ("request", "result")
