"""All drills by name, in the order of the scoreboard."""

from __future__ import annotations

from tests.faults import (
    cache_damage,
    callbacks,
    cold_cache,
    comparisons,
    corruption,
    csv_bombs,
    csv_mutations,
    csv_named,
    determinism,
    disk_full,
    hostile,
    kills,
    memory,
    non_finite,
    plugins,
    power_loss,
    resume,
    run_folders,
    signals,
)
from tests.faults.score import Drill

DRILLS: dict[str, Drill] = {
    "kills": kills.DRILL,
    "resume": resume.DRILL,
    "power_loss": power_loss.DRILL,
    "corruption": corruption.DRILL,
    "hostile": hostile.DRILL,
    "disk_full": disk_full.DRILL,
    "signals": signals.DRILL,
    "callbacks": callbacks.DRILL,
    "non_finite": non_finite.DRILL,
    "memory": memory.DRILL,
    "determinism": determinism.DRILL,
    "run_folders": run_folders.DRILL,
    "comparisons": comparisons.DRILL,
    "csv_named": csv_named.DRILL,
    "csv_mutations": csv_mutations.DRILL,
    "csv_bombs": csv_bombs.DRILL,
    "cache_damage": cache_damage.DRILL,
    "cold_cache": cold_cache.DRILL,
    "plugins": plugins.DRILL,
}
