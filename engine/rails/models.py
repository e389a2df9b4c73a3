"""What we asked of the outside, what it answered, and where users pay in.

Attempts and evidence are for ever: triggers refuse whatever would rewrite them, to the
tables' owner too. Rails do not know payouts: a payout is its id here, and nothing more.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from engine.common.ids import new_id, public_id
from engine.common.units import UnitsField
from engine.partners.models import EndUser, Partner


class AttemptState(models.TextChoices):
    """Live until it has delivered (`done`) or is proven never to (`dead`)."""

    LIVE = "live"
    DEAD = "dead"
    DONE = "done"


class Attempt(models.Model):
    """One send of one leg of a payout, under one reference.

    Stored before the outside is asked, so that whatever breaks afterwards can be looked
    up. A second one needs the first proven dead, and a leg that is done needs none.
    """

    payout_id = models.UUIDField()
    leg = models.PositiveSmallIntegerField()
    number = models.PositiveSmallIntegerField()
    rail = models.CharField(max_length=20)
    network = models.CharField(max_length=16)
    reference = models.CharField(max_length=128)
    # As good as money to whoever copies it: never shown, never logged.
    payload = models.BinaryField()
    state = models.CharField(max_length=4, choices=AttemptState, default=AttemptState.LIVE)
    proof = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["payout_id", "leg"],
                condition=Q(state__in=[AttemptState.LIVE, AttemptState.DONE]),
                name="payout_leg_has_one_live_attempt",
            ),
            models.UniqueConstraint(
                fields=["payout_id", "leg", "number"], name="attempt_is_numbered"
            ),
            models.UniqueConstraint(
                fields=["rail", "reference"], name="attempt_reference_is_unique"
            ),
            models.CheckConstraint(condition=~Q(reference=""), name="attempt_has_a_reference"),
            models.CheckConstraint(
                condition=Q(leg__gte=1, number__gte=1), name="attempt_counts_from_one"
            ),
            models.CheckConstraint(
                condition=Q(state__in=AttemptState.values), name="attempt_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state=AttemptState.LIVE, closed_at__isnull=True)
                | (~Q(state=AttemptState.LIVE) & Q(closed_at__isnull=False)),
                name="attempt_is_closed_unless_live",
            ),
            models.CheckConstraint(
                condition=~Q(state=AttemptState.DEAD) | (Q(proof__isnull=False) & ~Q(proof={})),
                name="dead_attempt_has_proof",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rail} {self.reference}"


class EvidenceKind(models.TextChoices):
    """Which verb of a rail brought it."""

    SUBMIT = "submit"
    LOOK_UP = "look_up"


class SendEvidence(models.Model):
    """What the outside said of an attempt. A look-up is kept when it said something new."""

    attempt = models.ForeignKey(
        Attempt, models.PROTECT, related_name="evidence", db_index=False
    )
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=7, choices=EvidenceKind)
    body = models.JSONField()

    class Meta:
        ordering = ("id",)
        default_permissions = ("view",)
        verbose_name_plural = "send evidence"
        indexes = [models.Index(fields=["attempt", "id"], name="evidence_of_attempt")]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=EvidenceKind.values), name="evidence_kind_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.attempt_id}"


class DepositAddress(models.Model):
    """Where a user, or without one the partner's treasury, pays in one asset."""

    prefix: ClassVar[str] = "addr"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    partner = models.ForeignKey(Partner, models.PROTECT, related_name="+", db_index=False)
    livemode = models.BooleanField("live")
    end_user = models.ForeignKey(
        EndUser, models.PROTECT, related_name="+", db_index=False, null=True, blank=True
    )
    asset = models.CharField(max_length=16)
    network = models.CharField(max_length=16)
    address = models.CharField(max_length=100)
    label = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        verbose_name_plural = "deposit addresses"
        indexes = [
            models.Index(fields=["partner", "livemode", "-id"], name="deposit_address_newest")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["end_user", "asset", "network"],
                condition=Q(end_user__isnull=False),
                name="end_user_has_one_deposit_address",
            ),
            models.UniqueConstraint(
                fields=["partner", "livemode", "asset", "network"],
                condition=Q(end_user__isnull=True),
                name="partner_has_one_treasury_address",
            ),
            # What arrives there must say whose it is.
            models.UniqueConstraint(
                fields=["address", "network", "asset"], name="deposit_address_is_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset} on {self.network}: {self.address}"

    @property
    def public_id(self) -> str:
        return public_id(self.prefix, self.id)


class ArrivedQuerySet(models.QuerySet["SimulatedTransfer"]):
    """Questions about the simulated outside."""

    def arrived(self) -> ArrivedQuerySet:
        """The transfers that really moved money: paying twice would show here."""
        return self.filter(final_at__lte=Now(), fails_at__isnull=True)


class SimulatedTransfer(models.Model):
    """The simulated rail's outside world: what a chain would know, and we could only ask.

    One row for each reference that was ever accepted. `seen_at`, `final_at` and `fails_at`
    are moments that come by themselves, by the database's clock; while `is_held` the last
    two wait for `advance`. `expected_at` is the estimate that the outside gave at first.
    """

    reference = models.CharField(max_length=128, primary_key=True)
    payout_id = models.TextField()
    leg = models.PositiveSmallIntegerField()
    livemode = models.BooleanField("live")
    network = models.CharField(max_length=16)
    asset = models.CharField(max_length=16)
    units = UnitsField()
    destination = models.CharField(max_length=128)
    accepted_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True, blank=True)
    expected_at = models.DateTimeField()
    final_at = models.DateTimeField(null=True, blank=True)
    fails_at = models.DateTimeField(null=True, blank=True)
    failure_code = models.CharField(max_length=50, blank=True)
    is_held = models.BooleanField(default=False)

    objects = ArrivedQuerySet.as_manager()

    class Meta:
        ordering = ("-accepted_at",)
        default_permissions = ("view",)
        indexes = [
            models.Index(
                fields=["payout_id"], condition=Q(is_held=True), name="transfer_is_held"
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(units__gt=0), name="simulated_transfer_is_positive"
            ),
            models.CheckConstraint(
                condition=Q(is_held=True, final_at__isnull=True, fails_at__isnull=True)
                | Q(is_held=False, final_at__isnull=False, fails_at__isnull=True)
                | Q(is_held=False, final_at__isnull=True, fails_at__isnull=False),
                name="simulated_transfer_has_one_end",
            ),
            models.CheckConstraint(
                condition=Q(fails_at__isnull=False) ^ Q(failure_code=""),
                name="simulated_failure_has_code",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.units} {self.asset} on {self.network}: {self.reference}"


class FaultKind(models.TextChoices):
    """How the simulated outside misbehaves, for each of the next `remaining` sends.

    All but the last strike a submit. A send that is struck by `drop_request`, `never_seen`
    or `refuse` has not happened; one struck by `land_late` happens `seconds` later.
    """

    DROP_REPLY = "drop_reply", "takes it, and the answer is lost"
    DROP_REQUEST = "drop_request", "the question is lost"
    NEVER_SEEN = "never_seen", "says yes and forgets it"
    REFUSE = "refuse", "says no and does not take it"
    LAND_LATE = "land_late", "no answer; it lands some seconds later"
    LOOK_UP_SILENT = "look_up_silent", "a look-up gets no answer"


class SimulatedFault(models.Model):
    """A fault that a test or the chaos run has put into the simulated outside.

    Each send, or each look-up of a send, that it strikes takes one from `remaining`.
    """

    kind = models.CharField(max_length=14, choices=FaultKind)
    remaining = models.PositiveIntegerField(default=1)
    seconds = models.FloatField(default=0)

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        indexes = [
            models.Index(fields=["id"], condition=Q(remaining__gt=0), name="fault_is_left")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=FaultKind.values), name="fault_kind_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} x {self.remaining}"
