"""Payloads, before a template gets them: masked, cut, as lines. Pure."""
