"""The engine, every rule and all shared SQL of cloaca; import ``cloaca`` instead of this."""

from cloaca_core.logs import arrange as _arrange_logs

_arrange_logs()
