"""Nodes without a body, as values: what they wait for, and how they may end. Declares none."""
