"""bin/bench: how near the product is to what PostgreSQL alone could do on this machine.

    command    the arguments, the order of things      report, picture   what comes of it
    house      servers of its own, as in production    supply   quotes and histories by SQL
    load       a small load generator                  limits   pgbench: L, and single inserts
    rows       what is asked of the web server         settling from execute to delivered
    cpu        whose processor time it was             peers    others, installed for it

The figures mean something only beside each other: everything is measured in one run, in
turns, and set against L, which is `payouts_execute()` driven by pgbench.
"""
