"""Facts for ``explain``: everything recorded and known about the state of a run."""
