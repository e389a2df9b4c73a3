"""Moments to the second: of a payout's steps, several fall into one minute."""

from __future__ import annotations

DATETIME_FORMAT = "j M Y H:i:s"
