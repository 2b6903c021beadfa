"""The promises that take longer than a test may: `make prove` prints a table of promise, figure and bound.

`python -m tests.prove NAME ...` runs some of them; the names are those of the modules here. Promises on real images
need DATA_ROOT, the folder that holds `imagenette2-160/`, and say so where it is not set.
"""
