"""The four distributions: rendered, built, tried in empty environments, released."""
