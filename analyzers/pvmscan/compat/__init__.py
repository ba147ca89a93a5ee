"""The Python interfaces of other scanners, answered by pvmscan: change one import and keep the rest.

`pvmscan.compat.modelscan` stands for modelscan 0.8, `pvmscan.compat.picklescan` for picklescan 1.0.
"""
