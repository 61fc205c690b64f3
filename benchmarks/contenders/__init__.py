"""Who takes part: ways to train the same model on the same images.

Only names stand here; what a contender needs is imported in its own process.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks.contenders.contender import Contender


class Ticket(NamedTuple):
    """How a contender is found.

    Attributes:
        label: its name in tables and pictures.
        place: "module:class" in this folder.
        packages: what must be installed beside fmnistlab, by import name.
        variables: environment variables to set before the import.
    """

    label: str
    place: str
    packages: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


CONTENDERS = {
    "tutorial": Ticket("tutorial's loop", "tutorial:Tutorial"),
    "dataloader": Ticket("plain loop, DataLoader", "dataloader:PlainLoop"),
    "lightning": Ticket("Lightning", "lightning:Lightning", ("lightning",)),
    "skorch": Ticket("skorch", "skorch:Skorch", ("skorch",)),
    "keras": Ticket("Keras on torch", "keras:Keras", ("keras",), (("KERAS_BACKEND", "torch"),)),
    "poutyne": Ticket("Poutyne", "poutyne:Poutyne", ("poutyne",)),
    "ignite": Ticket("Ignite", "ignite:Ignite", ("ignite",)),
    "jax": Ticket("JAX, one scan", "jax:ScannedEpoch", ("jax", "optax")),
    "jax_steps": Ticket("JAX, jitted steps", "jax:JittedSteps", ("jax", "optax")),
    "eager": Ticket("hand-written, resident", "eager:Eager"),
    "fmnistlab": Ticket("fmnistlab", "fmnistlab:Recorded"),
    "fmnistlab_eager": Ticket('fmnistlab, "eager"', "fmnistlab:Eager"),
}
"""All contenders by name, in the order of their turns."""

LABELS = {name: ticket.label for name, ticket in CONTENDERS.items()}
"""How tables and pictures call them."""


def import_contender(name: str) -> type[Contender]:
    """Imports a contender and what it needs."""
    ticket = CONTENDERS[name]
    os.environ.update(ticket.variables)
    module, _, attribute = ticket.place.partition(":")
    kind: type[Contender] = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    return kind
