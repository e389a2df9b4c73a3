"""What a recipient has filled in, and the price that was promised for it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from engine.payouts.models import Quote
from payments.codes import CHARACTERS, PATTERN


class FormSession(models.Model):
    """One filled-in form with its quote, waiting to be reviewed and submitted once.

    `code` is in the address of the review page. `sealed_details` is what was typed, to
    fill the form again when somebody goes back.
    """

    code = models.CharField(max_length=CHARACTERS, editable=False)
    payment = models.ForeignKey("payments.Payment", models.PROTECT, related_name="sessions")
    method = models.CharField(max_length=20)
    quote = models.OneToOneField(Quote, models.PROTECT, related_name="+")
    sealed_details = models.BinaryField(editable=False)
    created_at = models.DateTimeField(db_default=Now())
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["code"], name="form_session_code_is_unique"),
            models.CheckConstraint(
                condition=Q(code__regex=PATTERN), name="form_session_code_is_26_characters"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} for {self.payment_id}"
