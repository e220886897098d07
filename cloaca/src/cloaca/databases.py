"""Databases as a whole: look at one, bring it up to date, check, back up, copy. Opened by URL."""

from cloaca import _tools as _tools  # first: says what to install where the tools are missing
from cloaca_core.features.transfer.examination import Finding as Finding, Severity as Severity
from cloaca_core.store.schema_state import PendingMigration as PendingMigration
from cloaca_tools.doctor.diagnosis import (
    Diagnosis as Diagnosis,
    check as check,
    diagnose as diagnose,
)
from cloaca_tools.transfer.backup import BackupReport as BackupReport, back_up as back_up
from cloaca_tools.transfer.copy import (
    CopyProgress as CopyProgress,
    CopyReport as CopyReport,
    TableCopy as TableCopy,
    copy_database as copy,
)
from cloaca_tools.transfer.import_0x import ImportReport as ImportReport, import_0x as import_0x
from cloaca_tools.transfer.query import QueryAnswer as QueryAnswer, query_database as query
from cloaca_tools.transfer.status import (
    DatabaseStatus as DatabaseStatus,
    UpgradeReport as UpgradeReport,
    database_status as status,
    upgrade_database as upgrade,
)

__all__ = [
    "status",
    "DatabaseStatus",
    "upgrade",
    "UpgradeReport",
    "PendingMigration",
    "diagnose",
    "Diagnosis",
    "check",
    "Finding",
    "Severity",
    "back_up",
    "BackupReport",
    "copy",
    "CopyReport",
    "TableCopy",
    "CopyProgress",
    "query",
    "QueryAnswer",
    "import_0x",
    "ImportReport",
]
