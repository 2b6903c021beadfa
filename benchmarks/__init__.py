"""How fast it is: each module prints a table in Markdown. Ratios within one run count; seconds are of this machine."""
