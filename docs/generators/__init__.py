"""Pages that are made from the code and from the results, before Sphinx reads its sources."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from generators import commands, methods, notebook, results, tasks

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER = "generated"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the generators with Sphinx."""
    app.connect("config-inited", lambda app, _: write(Path(app.srcdir)))
    app.connect("missing-reference", find)
    app.connect("autodoc-process-signature", readable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(docs: Path) -> list[Path]:
    """Write all generated pages into folders named ``generated``, which git ignores; return them.

    A page whose text is the same keeps its time, so that Sphinx does not read it again. Pages of an earlier build that
    are made no more are removed.
    """
    root = docs.parent
    pages = {
        docs / "reference" / FOLDER / name: text
        for made in (methods.pages(), tasks.pages(docs / "reference" / FOLDER / "pictures"), commands.pages())
        for name, text in made.items()
    }
    pages |= {docs / "results" / FOLDER / name: text for name, text in results.pages(root / "RESULTS.md").items()}
    pages[docs / "guide" / FOLDER / "from_python.md"] = notebook.page(docs / "notebooks" / "from_python.ipynb")
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
    for path in docs.glob(f"*/{FOLDER}/**/*.md"):
        if path not in pages:
            path.unlink()
    return list(pages)


def find(app: Sphinx, env: Any, node: Any, contnode: Any) -> Any:
    """Resolve a reference of a docstring by the end of its name, if one documented object has that."""
    from sphinx.util.nodes import make_refnode

    if node.get("refdomain") != "py":
        return None
    target, objects = node["reftarget"], env.get_domain("py").objects
    for end in (target, target.rpartition(".")[2]):
        found = [name for name in objects if f".{name}".endswith(f".{end}") and not objects[name].aliased]
        if len(found) == 1:
            there = objects[found[0]]
            return make_refnode(app.builder, node["refdoc"], there.docname, there.node_id, contnode, found[0])
    return None


def readable(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> Any:
    """Write a dataclass's default that is made anew as ``...``: autodoc's ``<factory>`` is no Python."""
    return (signature or "").replace("<factory>", "...") or None, returns
