"""SUBMIT: a checked request becomes a durable run."""
