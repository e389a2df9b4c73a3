"""What we asked of the outside, and what it answered.

Attempts and evidence are for ever: triggers refuse whatever would rewrite them, to the
tables' owner too. Rails do not know payouts: a payout is its id here, and nothing more.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


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
