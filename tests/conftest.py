"""Settings of all tests: how long an example takes says nothing on a machine that others use too."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("pvmscan", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pvmscan")
