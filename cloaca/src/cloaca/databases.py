"""Databases as a whole: find what is wrong with one. Each function opens it by its URL."""

from cloaca_core.doctor.diagnosis import Diagnosis as Diagnosis, diagnose as diagnose
from cloaca_core.records.findings import Finding as Finding, Severity as Severity

__all__ = [
    "diagnose",
    "Diagnosis",
    "Finding",
    "Severity",
]
