"""Analysis of finished runs: tables, figures, verdicts and reports."""
