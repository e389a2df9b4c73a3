"""The last thing that runs before a server's own program does. Run as a file, never imported.

    child.py PARENT SIGNAL OWNED COMMAND…

It asks the kernel to send SIGNAL when PARENT dies (so that `kill -9` of bin/up leaves
nothing behind), and then becomes COMMAND, keeping the pid. When OWNED is a folder and we
are root, it first stops being root, which PostgreSQL refuses to run as: it becomes
`nobody` that owns that folder and may still pass through folders that are closed to
others; where that is forbidden, it becomes `nobody` inside a user namespace.
Neither needs a new user, an opened folder or a copied file. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import struct
import sys
from pathlib import Path

NOBODY = 65534
# linux/prctl.h, linux/securebits.h, linux/capability.h, linux/sched.h
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP = 28, 4
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
CLONE_NEWUSER = 0x10000000

IS_LINUX = sys.platform == "linux"


def main() -> None:
    parent, death_signal, owned, *command = sys.argv[1:]
    if owned != "-" and os.geteuid() == 0:
        try:
            become_nobody(owned)
        except OSError as first:
            try:
                enter_namespace(owned)
            except OSError as second:
                sys.exit(
                    "PostgreSQL does not run as root, and this machine lets us neither "
                    f"become nobody ({first.strerror}) nor make a user namespace "
                    f"({second.strerror})."
                )
    if IS_LINUX:
        kernel("prctl", PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("bin/up is gone.")
    os.execv(command[0], command)  # noqa: S606


def become_nobody(owned: str) -> None:
    """Change user for good, keeping the one right to pass through closed folders."""
    give(owned, nobody := uid_of_nobody())
    os.setgroups([])
    if not IS_LINUX:
        os.setgid(pwd.getpwuid(nobody).pw_gid)
        os.setuid(nobody)
        return
    with contextlib.suppress(OSError):
        # access(2), by which PostgreSQL judges its own program files, forgets every right of
        # a user who is not root unless this is set. /root itself is a closed folder.
        kernel("prctl", PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setresgid(NOBODY, NOBODY, NOBODY)
    kernel("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setresuid(nobody, nobody, nobody)
    one = 1 << CAP_DAC_OVERRIDE
    # struct __user_cap_header_struct, then two of __user_cap_data_struct (low, high bits)
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    rights = struct.pack("=6I", one, one, one, 0, 0, 0)
    try:
        kernel("capset", header, rights)
        kernel("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)
    except OSError:
        # Without it the server still starts wherever nobody may go.
        return


def enter_namespace(owned: str) -> None:
    """Stay who we are to the machine, and be nobody to ourselves and to PostgreSQL."""
    user, group = os.geteuid(), os.getegid()
    give(owned, user)
    kernel("unshare", CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1")


def give(owned: str, user: int) -> None:
    """Make `user` the owner of a folder and all in it; -1 keeps the group."""
    if Path(owned).stat().st_uid == user:
        return
    for folder, _, files in os.walk(owned):
        for name in (".", *files):
            os.chown(Path(folder, name), user, -1, follow_symlinks=False)


def uid_of_nobody() -> int:
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return NOBODY


def kernel(name: str, *arguments: int | bytes) -> None:
    """Call libc, whose -1 becomes an OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main()
