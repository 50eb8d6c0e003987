"""The pages that a build makes from the code: what they must have, without building the site."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from smore_sweep import discovery
from smore_sweep.method import knobs
from smore_sweep.tasks import SHIPPED, ogbench
from tests.unit.docs.pages import DOCS, ROOT

PACKAGES = ("smore_sweep", "analysis", "sweeps", "baselines")
VARIABLE = re.compile(
    r"(?:SMORE_SWEEP|MINARI|RAY_AUTH|SLURM)_[A-Z_]*[A-Z]|MLFLOW_TRACKING_URI|RAY_TMPDIR|MUJOCO_GL|CUDA_VISIBLE_DEVICES"
)


@pytest.fixture(scope="module")
def generators() -> Iterator[ModuleType]:
    sys.path.insert(0, str(DOCS))
    import generators
    import generators.markdown

    yield generators
    sys.path.remove(str(DOCS))


def test_every_method_has_its_equations_and_its_knobs(generators: ModuleType) -> None:
    pages = generators.methods.pages()
    known = discovery.methods()
    assert pages.keys() == {"methods.md", *(f"methods/{name}.md" for name in known)}
    for name, kind in known.items():
        text = pages[f"methods/{name}.md"]
        assert text.startswith(f"# {kind.name}\n")
        for knob in knobs(kind):
            assert f"| `{knob}`" in text
        equations = re.findall(r"^    \S.*$", sys.modules[kind.__module__].__doc__ or "", re.MULTILINE)
        for line in equations:
            assert line.strip() in text


def test_every_task_has_a_page(generators: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(generators.tasks, "_draw", lambda folder, names: set(names) - {"Reacher"})
    pages = generators.tasks.pages(tmp_path)
    whole = "\n".join(pages.values())
    for name in (*SHIPPED, *ogbench()):
        assert f"`{name}`" in whole
    assert "](../pictures/FetchPush.png)" in pages["tasks/FetchPush.md"]
    assert "pictures" not in pages["tasks/Reacher.md"]  # a machine that cannot draw has a page without a picture


def test_every_command_has_a_section_with_its_options(generators: ModuleType) -> None:
    (text,) = generators.commands.pages().values()
    for heading in ("run", "plan", "data import npz", "tables", "export"):
        assert f"\n## {heading}\n" in text
    assert "| `--keep-learner` |" in text
    assert "--holm" in text


def test_results_are_split_by_scale_and_benchmark(generators: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    page.write_text(
        "# Results\\n\\n## The paper's claims, laptop scale\\n\\nclaims\\n\\n"
        "## Commentary\\n\\nwords (docs/results/a.md; b)\\n\\n"
        "## Tables, laptop scale\\n\\n### Table 1\\n\\none\\n\\n### Sweep noise\\n\\nstudy\\n\\n"
        "## Tables, workstation scale\\n\\n### Sweep ogbench\\n\\nmazes\\n".replace("\\n", "\n")
    )
    pages = generators.results.pages(page)
    assert pages.keys() == {
        "index.md", "commentary.md", "laptop-paper.md", "laptop-studies.md", "workstation-ogbench.md"
    }  # fmt: skip
    assert "words ([a.md](../a.md); b)" in pages["commentary.md"]
    assert "claims" in pages["laptop-paper.md"]
    assert "one" in pages["laptop-paper.md"]
    assert "study" not in pages["laptop-paper.md"]
    assert pages["workstation-ogbench.md"] == "# OGBench, workstation scale\n\n## Sweep ogbench\n\nmazes\n"


def test_no_line_of_the_committed_results_is_lost(generators: ModuleType) -> None:
    text = "\n".join(generators.results.pages(ROOT / "RESULTS.md").values())
    text = re.sub(r"\[(\w+\.md)\]\(\.\./\1\)", r"docs/results/\1", text)
    for line in (ROOT / "RESULTS.md").read_text().splitlines()[4:]:
        assert line.startswith("##") or line in text


@pytest.mark.parametrize(
    ("docstring", "page"),
    [
        ("A loss of ``f*(y)``:\n\n    L = E[x_1 * 2]\n", "A loss of `f*(y)`:\n\n```text\nL = E[x_1 * 2]\n```\n"),
        ("* one ``a\n  b``\n* two_x", "* one `a b`\n* two\\_x\n"),
        ("``a``      first\n           line\n``long``   second", "`a`\n: first line\n\n`long`\n: second\n"),
        ("See :mod:`a.b` and :class:`~c.D`.", "See `a.b` and `D`.\n"),
    ],
)
def test_a_docstring_as_markdown(generators: ModuleType, docstring: str, page: str) -> None:
    assert generators.markdown.docstring(docstring) == page


def test_every_environment_variable_is_documented() -> None:
    read = set()
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value):
                read.add(node.value)
    documented = set(VARIABLE.findall((DOCS / "reference" / "environment.md").read_text()))
    told = {f"SMORE_SWEEP_{name}" for name in ("SWEEP", "STATUS", "MESSAGE")}
    assert documented == read | told | {"SMORE_SWEEP_NEWEST_MUJOCO"}
