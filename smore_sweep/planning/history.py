"""Remember which sweeps were run in a results folder, so that ``status`` finds a user's own files and choices again.

``<results>/sweeps/<hash>.json`` names one sweep, its scale, and the choices. Nothing else reads it: the records alone
say what is done.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from smore_sweep.errors import DeclarationError, StorageError
from smore_sweep.hashing import digest
from smore_sweep.planning.choices import Choices, parse_choices
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath

FOLDER = "sweeps"


@dataclass(frozen=True)
class Request:
    """A sweep as it was asked for: its name or the full path of its file, its scale, and the choices."""

    sweep: str
    scale: str
    choices: Choices

    @property
    def title(self) -> str:
        """The choices as options, for people."""
        options = self.choices.options().items()
        return "".join(f" --{name} {text}" for name, text in options)


def remember(results: StoragePath, sweep: str, scale: str, choices: Choices) -> None:
    """Note a request, unless it is a shipped sweep as it is declared, which ``status`` knows anyway.

    A note that cannot be written is left out: it decides nothing. (A job's other task may note the same at once, and
    take this one's unfinished file for a leftover.)
    """
    own = sweep.endswith(".py")
    if not own and not choices.options():
        return
    content = {"sweep": str(Path(sweep).resolve()) if own else sweep, "scale": scale, "choices": choices.options()}
    with suppress(OSError, StorageError):
        paths.write(results / FOLDER / f"{digest(content)}.json", json.dumps(content).encode())


def remembered(results: StoragePath) -> list[Request]:
    """Return what was asked for, by sweep. Files that cannot be read are left out: they decide nothing."""
    folder = results / FOLDER
    try:
        names = [path.name for path in folder.glob("*.json")] if isinstance(folder, Path) else paths.list_names(folder)
    except (OSError, StorageError):
        return []
    requests = []
    for name in sorted(names):
        try:
            content = json.loads(paths.read(folder / name))
            options = {str(option): str(text) for option, text in content["choices"].items()}
            choices = parse_choices(
                tasks=options.get("tasks"),
                methods=options.get("methods"),
                seeds=options.get("seeds"),
                settings=options.get("set", "").split(),
                updates=int(options["updates"]) if "updates" in options else None,
                **({"source": options["source"]} if "source" in options else {}),
            )
            requests.append(Request(str(content["sweep"]), str(content["scale"]), choices))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, DeclarationError, StorageError):
            continue
    return sorted(requests, key=lambda request: (request.sweep, request.scale, request.title))


def other_requests(results: StoragePath, sweep: str, choices: Choices) -> list[str]:
    """Return the choices, as options, with which a sweep was run here, other than these."""
    name = str(Path(sweep).resolve()) if sweep.endswith(".py") else sweep
    found = [request for request in remembered(results) if request.sweep == name and request.choices != choices]
    return list(dict.fromkeys(request.title.strip() for request in found if request.title))
