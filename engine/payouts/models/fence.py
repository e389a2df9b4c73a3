"""What tells a restored database from the one that sent the payouts, and what differs.

A journal is a series of files outside the database (journal.py) and one row in here. Both
count what was sent; a file that counted further than its row means that the row is older.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from engine.common.ids import new_id


class Journal(models.Model):
    """One series of journal files, written by one worker at a time.

    `position` is raised before each write to the files, so they never count further. The
    files of a lost one are gone for good: nobody waits for them any more.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    host = models.CharField(max_length=200, help_text="Where its files are")
    position = models.BigIntegerField(default=0)
    is_lost = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("id",)
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(position__gte=0), name="journal_counts_from_zero"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} on {self.host}"


class Fence(models.Model):
    """While one is up the house stays frozen: its books may be older than what was sent.

    It comes down after a clean reconciliation, when two different people say so.
    """

    why = models.CharField(max_length=300)
    put_up_at = models.DateTimeField(db_default=Now())
    is_up = models.BooleanField(default=True)
    taken_down_at = models.DateTimeField(null=True, blank=True)
    taken_down_by = models.CharField(max_length=150, blank=True)
    seconded_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["is_up"], condition=Q(is_up=True), name="one_fence_is_up"
            ),
            models.CheckConstraint(
                condition=Q(is_up=True, taken_down_at__isnull=True)
                | (
                    Q(is_up=False, taken_down_at__isnull=False)
                    & ~Q(taken_down_by="")
                    & ~Q(seconded_by="")
                    & ~Q(taken_down_by=F("seconded_by"))
                ),
                name="fence_comes_down_by_two_people",
            ),
        ]

    def __str__(self) -> str:
        return self.why


class Reconciliation(models.Model):
    """One comparison of the books with the journals and the outside, run to its end.

    `read_to` says how far each journal was read: its id and the last position.
    """

    began_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)
    matched = models.IntegerField(default=0)
    recreated = models.IntegerField(default=0)
    seen_outside = models.IntegerField(default=0)
    open_breaks = models.IntegerField(default=0)
    read_to = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.matched} matched, {self.open_breaks} open breaks"


class BreakKind(models.TextChoices):
    """What can differ between our books and the outside."""

    BALANCE_SHORT = "balance_short", "the user's balance does not cover a send that was made"
    PARTNER_UNKNOWN = "partner_unknown", "a send was made for a partner nobody knows"
    TERMS_DIFFER = "terms_differ", "the books know the payout with other terms"
    ENDED_OTHERWISE = "ended_otherwise", "the books ended the payout, yet it was sent"
    CANNOT_RECALL = "cannot_recall", "the send cannot be brought back into the books"
    JOURNAL_TORN = "journal_torn", "a line of a journal cannot be read"
    STRANGER = "stranger", "a wallet of ours sent something that the books do not know"
    NOT_ON_CHAIN = (
        "not_on_chain",
        "a payout counts as delivered, and the chain shows no transfer",
    )
    CUSTODY = "custody", "what is held outside differs from the books"
    OUTSIDE_AWAY = "outside_away", "the outside could not be asked"


class Break(models.Model):
    """A difference that somebody has to explain. It stays until it is gone or resolved."""

    kind = models.CharField(max_length=20, choices=BreakKind)
    what = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)
    first_seen_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    owner = models.CharField(max_length=150, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolution = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "what"],
                condition=Q(resolved_at__isnull=True),
                name="break_is_open_once",
            ),
            models.CheckConstraint(
                condition=Q(resolved_at__isnull=True) ^ ~Q(resolution=""),
                name="resolved_break_says_how",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=BreakKind.values), name="break_kind_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.what}"
