"""Whatever comes from outside, tried with what nobody thought of.

``targets/`` has one module for each surface; ``corpus/<target>/`` what to begin with, and every
input that ever broke something. ``make fuzz`` runs each target for a minute, guided by coverage
(https://github.com/google/atheris) where that is installed; the suite runs each with a fixed number
of inputs.
"""
