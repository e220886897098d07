"""Runs as pages show them: the acts that they allow, plans of acts, how a workflow fails."""
