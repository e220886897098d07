"""What programs tell of their runs to logs, metrics and traces, in one vocabulary."""
