"""Guardrails: what is checked on the way to production, the same way at every gate, and who may pass for a while.

`facts.py` looks, `rules.py` says what is wrong, `decide.py` decides, `waivers.py` has the dated exceptions, and
`gates.py` acts.
"""
