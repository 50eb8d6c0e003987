"""Tables and pages in LaTeX, Markdown, HTML, CSV, and for a terminal."""
