"""The documentation site: `make docs` builds it into docs/_build/html, and fails on a warning or a broken link."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

project = "smore_sweep"
author = "The smore_sweep authors"
copyright = "The smore_sweep authors. MIT licence"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "generators",  # methods, tasks, commands, results and the notebook
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

nitpicky = True
nitpick_ignore_regex = [
    # Types of other libraries in signatures. Nothing is linked to the network.
    ("py:.*", r"(torch|np|numpy|npt|NDArray|pd|pandas|gymnasium|EnvSpec|collections|typing|pathlib|types)(\..*)?"),
    # Aliases in signatures, whose meaning stands beside them, and parts that are no one's to call.
    (
        "py:.*",
        r"(.*\.)?(Environment|Policy|Success|Trajectories|Observation|StoragePath|Networks|Velocity|EpisodeActor|Knob|POLICY|[A-Z])",
    ),
]

html_theme = "furo"
html_title = "smore_sweep"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
copybutton_prompt_text = "$ "
