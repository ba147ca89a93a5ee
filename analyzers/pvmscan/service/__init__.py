"""A service for other scanners: bytes or an address come in by HTTP, the JSON report goes back.

    from pvmscan.service import Settings, serve
    serve(Settings(), "127.0.0.1", 8080)

Nothing is judged in the process that listens: each scan has a cell (`pvmscan.batch.cell`), which may hang or die. What
the service needs, Starlette and uvicorn, comes with `pvmscan[serve]`.
"""

from __future__ import annotations

from pvmscan.service.settings import Settings, serve

__all__ = ["Settings", "serve"]
