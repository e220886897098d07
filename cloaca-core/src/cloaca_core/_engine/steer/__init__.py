"""STEER: what people ask of a run reaches the runner that owns it."""
