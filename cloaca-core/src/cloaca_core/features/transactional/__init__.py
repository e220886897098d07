"""Transactional tasks: a body's rows and the record of its success commit together."""
