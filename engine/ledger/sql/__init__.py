"""SQL kept as SQL, in files beside this one, loaded by migrations.

To change a function: edit its file, then add a migration that runs the whole file again,
``RunSQL(read_sql("move.sql"), RunSQL.noop)``. A fresh database runs today's text in every
migration that names it, so the file must load at any point of the schema's history:
CREATE OR REPLACE only, PL/pgSQL only (its bodies are not resolved until they run), and a
function whose arguments change is dropped, ``IF EXISTS``, in the file first.
"""

from __future__ import annotations

from pathlib import Path


def read_sql(name: str) -> str:
    """The text of a file here, such as ``move.sql`` or ``invariants/….sql``."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
