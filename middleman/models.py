"""Providers, their models, what was spent, and the budgets that bound it."""

from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from vivaria import sealing


class Wire(models.TextChoices):
    """The format in which a provider is spoken to."""

    OPENAI = "openai", "OpenAI, or compatible with it"
    ANTHROPIC = "anthropic", "Anthropic"


class Provider(models.Model):
    """A server that answers for models. A row wins over the environment's of the same name."""

    name = models.SlugField(max_length=60, primary_key=True)
    wire = models.CharField(max_length=16, choices=Wire.choices)
    # Not Django's URLField: that knows no host of a lab's own network.
    base_url = models.CharField(
        max_length=500,
        db_column="baseUrl",
        validators=[RegexValidator(r"^https?://\S+$", "Give an address that begins with http.")],
        help_text="With its version, where it has one: https://api.openai.com/v1",
    )
    # Sealed; nobody is shown it again.
    sealed_key = models.TextField(blank=True, default="", editable=False, db_column="sealedKey")
    is_enabled = models.BooleanField(
        default=True, db_column="isEnabled", help_text="Off: none of its models is called."
    )

    class Meta:
        db_table = "providers_t"
        constraints = [
            models.CheckConstraint(
                name="provider_wire_is_known", condition=Q(wire__in=Wire.values)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def has_key(self) -> bool:
        return bool(self.sealed_key)

    @property
    def key(self) -> str:
        """The key, in clear. Only for the request that it goes with."""
        return sealing.unseal(self.sealed_key) if self.sealed_key else ""


def _usd(column: str) -> "models.DecimalField[Decimal | None, Decimal | None]":
    return models.DecimalField(
        max_digits=14,
        decimal_places=6,
        null=True,
        blank=True,
        db_column=column,
        validators=[MinValueValidator(0)],
        help_text="USD for a million tokens. Empty: the public price.",
    )


class Model(models.Model):
    """What is known of a model beside its name. Models without a row are called by rule."""

    name = models.CharField(max_length=200, unique=True)
    provider = models.ForeignKey(
        Provider,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_column="providerName",
        help_text="Empty: as its name says (gpt-… is OpenAI's, claude-… Anthropic's, …).",
    )
    name_at_provider = models.CharField(
        max_length=200, blank=True, default="", db_column="nameAtProvider"
    )
    is_enabled = models.BooleanField(
        default=True, db_column="isEnabled", help_text="Off: it is not called any more."
    )
    is_hidden = models.BooleanField(
        default=False,
        db_column="isHidden",
        help_text="Only groups below may know of it; to others it does not exist.",
    )
    groups = models.ManyToManyField(
        Group, blank=True, related_name="+", help_text="Who may call it. None: everybody."
    )
    context_length = models.PositiveIntegerField(null=True, blank=True, db_column="contextLength")
    output_limit = models.PositiveIntegerField(null=True, blank=True, db_column="outputLimit")
    has_vision = models.BooleanField(default=False, db_column="hasVision")
    is_chat = models.BooleanField(default=True, db_column="isChat")
    comments = models.TextField(blank=True, default="")
    # Shared by all runs; null never limits.
    concurrency_limit = models.PositiveIntegerField(
        null=True, blank=True, db_column="concurrencyLimit"
    )
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, db_column="requestsPerMinute"
    )
    tokens_per_minute = models.PositiveIntegerField(
        null=True, blank=True, db_column="tokensPerMinute"
    )
    input_usd = _usd("inputUsd")
    cache_read_usd = _usd("cacheReadUsd")
    cache_write_usd = _usd("cacheWriteUsd")
    output_usd = _usd("outputUsd")

    class Meta:
        db_table = "models_t"

    def __str__(self) -> str:
        return self.name


class Spend(models.Model):
    """What calls of one model by one user in one batch used on one day (UTC)."""

    day = models.DateField()
    model = models.TextField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_column="userId", related_name="+"
    )
    batch = models.ForeignKey(
        "runs.RunBatch", on_delete=models.CASCADE, db_column="batchName", related_name="+"
    )
    calls = models.BigIntegerField(default=0)
    prompt_tokens = models.BigIntegerField(default=0, db_column="promptTokens")
    cache_read_tokens = models.BigIntegerField(default=0, db_column="cacheReadTokens")
    cache_write_tokens = models.BigIntegerField(default=0, db_column="cacheWriteTokens")
    completion_tokens = models.BigIntegerField(default=0, db_column="completionTokens")
    cost_usd = models.FloatField(default=0, db_column="costUsd")
    # Calls whose model has no known price: their cost is not in the sum.
    unpriced_calls = models.BigIntegerField(default=0, db_column="unpricedCalls")

    class Meta:
        db_table = "spend_t"
        verbose_name_plural = "spend"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "model", "user", "batch"], name="spend_once_per_day_and_owner"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} of {self.user_id} on {self.day}"


class Budget(models.Model):
    """How much one user's or one batch's calls may cost, from the first on."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_column="userId",
        related_name="budget",
    )
    batch = models.OneToOneField(
        "runs.RunBatch",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_column="batchName",
        related_name="budget",
    )
    # Null never limits. Rows without a limit exist: whatever is spent is added up here, so that
    # a limit set later counts what came before it.
    limit_usd = models.FloatField(
        null=True, blank=True, db_column="limitUsd", validators=[MinValueValidator(0)]
    )
    spent_usd = models.FloatField(default=0, db_default=0, db_column="spentUsd", editable=False)

    OWNERS: ClassVar = ("user", "batch")

    class Meta:
        db_table = "budgets_t"
        constraints = [
            models.CheckConstraint(
                name="budget_has_one_owner",
                condition=Q(user__isnull=True, batch__isnull=False)
                | Q(user__isnull=False, batch__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"budget of {self.owner}"

    @property
    def owner(self) -> str:
        """Whose it is, in words."""
        return f"user {self.user_id}" if self.user_id else f"batch {self.batch_id}"


class PlaygroundCall(models.Model):
    """What a person asked on the playground, and what came: their history, and the audit."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_column="userId", related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True, db_column="createdAt")
    model = models.TextField()
    # A genRequest of the contract.
    request = models.JSONField()
    # Its MiddlemanResult; null while the model works, and where the site ended meanwhile.
    result = models.JSONField(null=True, blank=True)
    cost_usd = models.FloatField(null=True, blank=True, db_column="costUsd")

    class Meta:
        db_table = "playground_calls_t"
        indexes = [
            # A person's newest calls.
            models.Index(fields=["user", "-id"], name="playground_calls_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.model} by {self.user_id}"
