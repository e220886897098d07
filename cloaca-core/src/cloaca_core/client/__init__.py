"""RUN: the runners, handles and results that a program holds."""
