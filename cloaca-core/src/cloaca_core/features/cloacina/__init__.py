"""What programs of the Cloacina bindings, release 0.12, use beside workflows: computation graphs,
declarations, variables, and names that say why they are not here.

No other module of cloaca imports this folder; ``import cloaca`` finds its names at their first use.
"""
