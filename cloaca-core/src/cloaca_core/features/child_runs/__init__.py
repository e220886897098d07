"""Child runs for which bodies of their parent wait as for an event."""
