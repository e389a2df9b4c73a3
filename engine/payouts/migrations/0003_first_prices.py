"""Prices to begin with; operators edit them in admin.

The seconds are those of the simulated rail; network fees are of the order that transfers
of a token cost. Nothing here is a market feed: `as_of` says how old a row is.
"""

from datetime import UTC, datetime

from django.db import migrations

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
ASSETS = {"USDT": 1_000_000, "XAUT": 4_000_000_000}
# network: micro-dollars for one transfer, seconds until final
NETWORKS = {
    "ethereum": (1_200_000, 30),
    "polygon": (10_000, 15),
    "arbitrum": (30_000, 12),
    "base": (20_000, 12),
    "avalanche": (30_000, 10),
    "optimism": (20_000, 12),
    "solana": (10_000, 10),
    "tron": (900_000, 20),
}
BRIDGE_USD_MICROS, BRIDGE_BASIS_POINTS, BRIDGE_SECONDS = 250_000, 5, 45


def insert(apps, schema_editor):
    prices = [
        apps.get_model("payouts", "AssetPrice")(asset=asset, usd_micros=price, as_of=AS_OF)
        for asset, price in ASSETS.items()
    ]
    transfers = [
        apps.get_model("payouts", "NetworkFee")(
            network=network, transfer_usd_micros=fee, seconds=seconds, as_of=AS_OF
        )
        for network, (fee, seconds) in NETWORKS.items()
    ]
    bridges = [
        apps.get_model("payouts", "BridgeFee")(
            from_network=source,
            to_network=target,
            fixed_usd_micros=BRIDGE_USD_MICROS,
            basis_points=BRIDGE_BASIS_POINTS,
            seconds=BRIDGE_SECONDS,
            as_of=AS_OF,
        )
        for source in NETWORKS
        for target in NETWORKS
        if source != target
    ]
    for rows in (prices, transfers, bridges):
        type(rows[0]).objects.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("payouts", "0002_functions_and_guards")]
    # Backwards the rows stay, and forwards again they are left alone: an operator has
    # edited them since.
    operations = [migrations.RunPython(insert, migrations.RunPython.noop)]
