"""A web service whose requests return at once; the runs they start survive a crash."""
