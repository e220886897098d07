"""The engine, every rule and all shared SQL of cloaca; import ``cloaca`` instead of this."""

from cloaca_core import logs as _logs

_logs.keep_quiet()
