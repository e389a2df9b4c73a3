"""The published token contracts, and depths to begin with; operators edit both in admin.

Addresses: Tether's and USDT0's own lists of supported protocols. Depths: those of
engine/rails/networks.py, whose docstring names where they come from.
"""

from django.db import migrations

TOKENS = {
    ("ethereum", "USDT"): "0xdAC17F958D2ee523a2206206994597C13D831ec7",
    ("polygon", "USDT"): "0xc2132D05D31c914a87C6611C10748AEb04B58e8F",
    ("arbitrum", "USDT"): "0xFd086bC7CD5C481DCC9C85ebE478A1C0b69FCbb9",
    ("base", "USDT"): "0xfde4C96c8593536E31F229EA8f37b2ADa2699bb2",
    ("avalanche", "USDT"): "0x9702230A8Ea53601f5cD2dc00fDBc13d4dF4A8c7",
    ("optimism", "USDT"): "0x94b008aA00579c1307B0EF2c499aD98a8ce58e58",
    ("ethereum", "XAUT"): "0x68749665FF8D2d112Fa859AA293F07A622782F38",
}
DEPTHS = {
    "ethereum": 65,
    "polygon": 200,
    "arbitrum": 3_120,
    "base": 390,
    "avalanche": 1,
    "optimism": 390,
}


def insert(apps, schema_editor):
    token, policy = apps.get_model("rails", "Token"), apps.get_model("rails", "DepthPolicy")
    token.objects.bulk_create(
        [
            token(network=network, asset=asset, address=address)
            for (network, asset), address in TOKENS.items()
        ],
        ignore_conflicts=True,
    )
    policy.objects.bulk_create(
        [policy(network=network, confirmations=depth) for network, depth in DEPTHS.items()],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [("rails", "0004_slots_are_for_ever")]
    # Backwards the rows stay: an operator has edited them since.
    operations = [migrations.RunPython(insert, migrations.RunPython.noop)]
