"""How a rail can fail, by what the engine may do next; and what a caller asked wrongly.

RailError                the outside world answered badly; never shown as it is
├── RailRejected         refused for good and nothing left: the hold may be released
├── RailUnavailable      nothing was sent: try again later
└── RailOutcomeUnknown   it may have been sent: look it up, never pay twice

Unprocessable            422: the caller must change the request
├── DestinationInvalid   the address, or the hint beside it, cannot be paid
│   └── AddressInvalid   the address by itself
├── AssetNotOnNetwork
├── AssetUnknown
└── NetworkUnknown

DepositsUnavailable      503: nobody would have the key of such an address
"""

from __future__ import annotations

from typing import Any

from engine.common.errors import RequestRefused, Unprocessable, ZopayError


class RailError(ZopayError):
    """The outside world did not do as asked. Never shown to a client as it is."""


class RailRejected(RailError):
    """Refused for good and nothing left: the hold may be released.

    `failure_code` is the stable lower-case word that the payout will carry.
    """

    code = "rail_rejected"

    def __init__(
        self, message: str, *, failure_code: str = "rail_rejected", **details: Any
    ) -> None:
        super().__init__(message, failure_code=failure_code, **details)
        self.failure_code = failure_code


class RailUnavailable(RailError):
    """Nothing was sent: try again later. `waiting_for` says in a stable word for what."""

    code = "rail_unavailable"

    def __init__(self, message: str, *, waiting_for: str = "rail", **details: Any) -> None:
        super().__init__(message, **details)
        self.waiting_for = waiting_for


class RailOutcomeUnknown(RailError):
    """It may have been sent. Look it up; never prepare a second one."""

    code = "rail_outcome_unknown"


class DestinationInvalid(Unprocessable):
    """The destination cannot be paid. `reason` says why, in a stable word."""

    code = "destination_invalid"
    title = "The destination cannot be paid"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message, reason=reason)
        self.reason = reason


class AddressInvalid(DestinationInvalid):
    """The text is no address that we can pay, whatever the asset and the network."""


class AssetNotOnNetwork(Unprocessable):
    """The asset does not live on the network that the destination needs."""

    code = "asset_not_on_network"
    title = "The asset does not live on that network"

    def __init__(self, *, asset: str, network: str, networks: list[str]) -> None:
        super().__init__(
            f"{asset} does not live on {network}.",
            asset=asset,
            network=network,
            networks=networks,
        )


class AssetUnknown(Unprocessable):
    """We carry no asset of that name."""

    code = "asset_unknown"
    title = "No such asset"

    def __init__(self, *, known: list[str]) -> None:
        super().__init__(f"We carry {', '.join(known)}.", known=known)


class NetworkUnknown(Unprocessable):
    """We know no network of that name."""

    code = "network_unknown"
    title = "No such network"

    def __init__(self, *, known: list[str]) -> None:
        super().__init__(f"The networks are {', '.join(known)}.", known=known)


class DepositsUnavailable(RequestRefused):
    """There could only be an address that nobody has a key for, so there is none yet.

    An operator has to set DEPOSIT_XPUB, or to connect the network, first. 503, and not
    422: nothing is wrong with the request, and the Idempotency-Key stays free.
    """

    code = "deposits_unavailable"
    http_status = 503
    title = "No deposits there yet"
    retryable = True

    def __init__(self, *, network: str) -> None:
        super().__init__(
            f"Deposits on {network} are not set up yet. Nothing was made; try again later, or"
            " choose another network."
        )

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "3600"}
