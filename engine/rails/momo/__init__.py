"""Mobile money by MTN's MoMo Disbursement API. rail.py shows why it pays once."""
