"""Databases as a whole: find what is wrong with one, copy one. Each function opens by URL."""

from cloaca_core.doctor.diagnosis import Diagnosis as Diagnosis, diagnose as diagnose
from cloaca_core.records.findings import Finding as Finding, Severity as Severity
from cloaca_core.transfer.copy import (
    CopyProgress as CopyProgress,
    CopyReport as CopyReport,
    TableCopy as TableCopy,
    copy_database as copy,
)

__all__ = [
    "diagnose",
    "Diagnosis",
    "Finding",
    "Severity",
    "copy",
    "CopyReport",
    "TableCopy",
    "CopyProgress",
]
