"""Tables and pages in LaTeX, Markdown, HTML and on a terminal."""
