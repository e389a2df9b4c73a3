"""How bin/up, bin/test, bin/manage and bin/check run: real servers out of pip wheels.

    launch.sh     finds a Python                        install     .venv and the locked wheels
    home          .zopay: whose it is, one at a time    up, run_*   the four commands
    children      starting and ending programs          postgres, valkey   the servers
    child         a program's last moment as ours       supervisor  keeps them running
    anvil, chains, clock   local EVM chains, their blocks and files
    devnet, settle_in      tokens and wallets: on the chains, and in the database

Nothing else in the repository imports this package. What runs before the wheels are
there (install, home, ports, say) uses the standard library only.
"""
