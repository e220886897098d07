"""The workflow of a parcel: three steps, each on disk before the next one starts."""

from __future__ import annotations

import time

import cloaca

NAME = "parcel"
PRINTING_SECONDS = 1.0

with cloaca.WorkflowBuilder(NAME) as builder:
    builder.description("Weigh a parcel, print its label, hand it over")

    @cloaca.task
    def weigh(context: cloaca.Context) -> None:
        """The scales of this shop count letters."""
        context.set("grams", 100 * len(context["contents"]))

    @cloaca.task(dependencies=[weigh], timeout_seconds=30)
    def label(context: cloaca.Context) -> None:
        """A slow printer; sync bodies run in threads and do not block others."""
        time.sleep(PRINTING_SECONDS)
        context.set("label", f"{context['number']} to {context['city']}, {context['grams']} g")

    @cloaca.task(dependencies=[label])
    async def hand_over(context: cloaca.Context) -> None:
        """A workflow may have async and sync bodies."""
        context.set("handed_over", True)
