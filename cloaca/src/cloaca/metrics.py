"""Metrics for Prometheus; needs the extra ``metrics``."""

from cloaca_core.client.metrics import (
    CONTENT_TYPE as CONTENT_TYPE,
    render as render,
    render_async as render_async,
)

__all__ = ["CONTENT_TYPE", "render", "render_async"]
