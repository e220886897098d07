"""What ``tasks.py`` runs: the project's own tooling, one noun to a module, never shipped."""
