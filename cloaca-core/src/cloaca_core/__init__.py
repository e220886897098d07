"""The engine, every rule and all shared SQL of cloaca; import ``cloaca`` instead of this."""
