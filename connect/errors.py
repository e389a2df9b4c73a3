"""What only Connect refuses."""

from __future__ import annotations

from engine.common.errors import InvalidInput, NotFound


class InvalidAddressId(InvalidInput):
    code = "invalid_address_id"
    title = "Not the id of an address"

    def __init__(self) -> None:
        super().__init__("The id of an address is addr_ and 32 hexadecimal digits.")


class AddressNotFound(NotFound):
    code = "address_not_found"
    title = "No such address"

    def __init__(self) -> None:
        super().__init__("There is no address with this id.")


class TransactionNotFound(NotFound):
    code = "transaction_not_found"
    title = "No such deposit or payout"

    def __init__(self) -> None:
        super().__init__("There is no deposit or payout with this id.")
