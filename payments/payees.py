"""Who is to be paid, as the form has read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Payee:
    """One place that money can go to, in the engine's own spelling.

    `network` is a chain, a gateway such as mtn_momo, or sepa; `asset` what arrives there,
    a stablecoin or the payment's own currency. `destination` is canonical: an address, a
    number in E.164, an IBAN without spaces. `country` is of the number (ISO 3166);
    `holder` the account holder's name, where a bank asks for one.
    """

    network: str
    asset: str
    destination: str
    country: str = ""
    holder: str = ""
