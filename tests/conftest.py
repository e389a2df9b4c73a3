"""The cast, the same everywhere: a partner, another partner, their users and their money."""

import pytest
from django.db.backends.postgresql.operations import DatabaseOperations

from tests.cast import FUNDS_UNITS, Api, drain_once, fund

# What migrations put there and every test relies on; the flush between tests that really
# commit leaves it alone.
SEEDS = {
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_content_type",
    "partners_feeschedule",
    "payouts_assetprice",
    "payouts_bridgefee",
    "payouts_gatewayfee",
    "payouts_nativeprice",
    "payouts_networkfee",
    "rails_depthpolicy",
    "rails_token",
}
TRUNCATE_GUARDED = (
    "payouts_floatcredit", "ledger_movement", "rails_sendevidence", "rails_attempt", "payouts_payout",
    "payouts_payoutevent", "rails_signedtransaction", "rails_slot",
    "rails_depositkey", "rails_housecrossing", "rails_liquiditymove",
    "rails_momosend", "rails_momocredentials",
    "rails_bankfile", "rails_bankpayee", "rails_bankstatement", "rails_banktransfer",
    "payments_payment", "payments_paymentpayout", "payouts_conversion", "payouts_floatreserve",
)  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def flush_that_respects_triggers():
    """Empties tables between tests although triggers refuse TRUNCATE, even to the owner."""
    sql_flush = DatabaseOperations.sql_flush

    def flush(self, style, tables, **options):
        wanted = [table for table in tables if table not in SEEDS]
        guarded = [table for table in TRUNCATE_GUARDED if table in wanted]
        return [
            *(f"ALTER TABLE {table} DISABLE TRIGGER USER;" for table in guarded),
            *sql_flush(self, style, wanted, **options),
            *(f"SELECT zopay_test_enable_always('{table}');" for table in guarded),
        ]

    DatabaseOperations.sql_flush = flush
    yield
    DatabaseOperations.sql_flush = sql_flush


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Adds the one helper the flush needs: ALWAYS is how the triggers were enabled."""
    from django.db import connection

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("""
            CREATE OR REPLACE FUNCTION zopay_test_enable_always(p_table text) RETURNS void
            LANGUAGE plpgsql AS $$
            DECLARE v_name name;
            BEGIN
                FOR v_name IN SELECT tgname FROM pg_trigger
                    WHERE tgrelid = p_table::regclass AND NOT tgisinternal
                LOOP
                    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', p_table, v_name);
                END LOOP;
            END $$
        """)


@pytest.fixture(autouse=True)
def nothing_remembered(settings, tmp_path):
    """Each test meets caches, and a journal, as the first process of a new house does."""
    from engine.partners.key_cache import forget_keys
    from engine.payouts import fence
    from engine.payouts.pricing import forget_prices
    from engine.rails.depths import forget_depths

    settings.JOURNAL_DIR = tmp_path / "journal"
    fence.forget()
    forget_keys()
    forget_prices()
    forget_depths()


@pytest.fixture
def fee_schedule(db):
    from engine.partners.models import FeeSchedule

    return FeeSchedule.objects.order_by("pk").first()


@pytest.fixture
def acme(fee_schedule):
    """The partner every story is about."""
    from engine.partners.models import Partner

    return Partner.objects.create(name="Acme", is_approved=True, fee_schedule=fee_schedule)


@pytest.fixture
def other(fee_schedule):
    """A partner who must never learn that Acme exists."""
    from engine.partners.models import Partner

    return Partner.objects.create(name="Other", is_approved=True, fee_schedule=fee_schedule)


@pytest.fixture
def mint():
    """Makes a key of every scope, or of those given; returns its text."""
    from engine.partners.models import ALL_SCOPES
    from engine.partners.services import mint_key

    def make(partner, *, livemode, scopes=ALL_SCOPES, **options):
        return mint_key(
            partner=partner, livemode=livemode, name="tests", scopes=scopes, **options
        )[1]

    return make


@pytest.fixture
def funded(acme):
    """Acme's user-1 holds 1,000 USDT on Ethereum, in live mode and in test mode."""
    for livemode in (True, False):
        fund(acme, livemode=livemode, units=FUNDS_UNITS)
    return acme


@pytest.fixture
def live_api(funded, mint):
    return Api(mint(funded, livemode=True), livemode=True)


@pytest.fixture
def test_api(funded, mint):
    return Api(mint(funded, livemode=False), livemode=False)


@pytest.fixture(params=["live", "test"])
def api(request):
    """Either mode: what is asked of it must hold in both."""
    return request.getfixturevalue(f"{request.param}_api")


@pytest.fixture
def other_live_api(other, mint):
    return Api(mint(other, livemode=True), livemode=True)


@pytest.fixture
def other_test_api(other, mint):
    return Api(mint(other, livemode=False), livemode=False)


@pytest.fixture
def rail_at_once(settings):
    """The simulated outside sees and settles the moment it accepts."""
    settings.SIMULATED_SEEN_SECONDS = 0
    settings.SIMULATED_FINAL_SECONDS = 0


@pytest.fixture
def finish(rail_at_once):
    """Lets workers pass until every payout has ended."""
    from engine.payouts.models import Payout

    def run():
        for _ in range(12):
            if not Payout.objects.filter(finished_at__isnull=True).exists():
                return
            drain_once()
        pytest.fail("a payout did not end")

    return run
