"""What a batch has set aside is noted for ever: its row says where the money stands.

ALWAYS, so that a replication role does not switch the triggers off.
"""

from django.db import migrations

GUARD = """
CREATE TRIGGER reserve_is_for_ever BEFORE UPDATE OR DELETE ON payouts_floatreserve
    FOR EACH ROW EXECUTE FUNCTION payouts_refuse_change();
CREATE TRIGGER reserves_are_never_emptied BEFORE TRUNCATE ON payouts_floatreserve
    FOR EACH STATEMENT EXECUTE FUNCTION payouts_refuse_change();
ALTER TABLE payouts_floatreserve ENABLE ALWAYS TRIGGER reserve_is_for_ever;
ALTER TABLE payouts_floatreserve ENABLE ALWAYS TRIGGER reserves_are_never_emptied;
"""
UNGUARD = """
DROP TRIGGER reserve_is_for_ever ON payouts_floatreserve;
DROP TRIGGER reserves_are_never_emptied ON payouts_floatreserve;
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0030_many_at_once")]
    operations = [migrations.RunSQL(GUARD, UNGUARD)]
