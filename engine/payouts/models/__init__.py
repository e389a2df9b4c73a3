"""What the engine remembers: payouts, prices, what came in, and who said stop."""

from __future__ import annotations

from engine.payouts.models.conversions import Conversion
from engine.payouts.models.fence import Break, BreakKind, Fence, Journal, Reconciliation
from engine.payouts.models.floats import FloatCredit, GatewayFee, PartnerFloat
from engine.payouts.models.funds import Deposit, Holding
from engine.payouts.models.guards import BlockedDestination, Freeze, Limit
from engine.payouts.models.payouts import Payout, PayoutEvent, Quote
from engine.payouts.models.prices import AssetPrice, BridgeFee, NativePrice, NetworkFee

__all__ = [
    "AssetPrice",
    "BlockedDestination",
    "Break",
    "BreakKind",
    "BridgeFee",
    "Conversion",
    "Deposit",
    "Fence",
    "FloatCredit",
    "Freeze",
    "GatewayFee",
    "Holding",
    "Journal",
    "Limit",
    "NativePrice",
    "NetworkFee",
    "PartnerFloat",
    "Payout",
    "PayoutEvent",
    "Quote",
    "Reconciliation",
]
