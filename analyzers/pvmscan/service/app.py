"""The paths of the service. Every answer that is no report says why, as problem details (RFC 9457)."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

import pvm
from pvm.hints import Any, cast
from pvmscan.formats.json_ import render
from pvmscan.remote import Refused
from pvmscan.report import FileReport, Report
from pvmscan.scan import tool
from pvmscan.service.crew import Busy, Crew
from pvmscan.service.metrics import TYPE, Metrics
from pvmscan.service.settings import Settings

FOLDER = os.path.dirname(os.path.abspath(__file__))
SCHEMA = os.path.join(FOLDER, os.pardir, "schema", "report.schema.json")
ORDER_BYTES = 64 << 10
"""Of a body that names an address."""
RETRY_SECONDS = "5"
UNNAMED = "upload"
_NAME = re.compile(r"[^\x00-\x1f\x7f/\\]{1,255}")
_LENGTH = re.compile(r"\d{1,18}")


@dataclass
class _Service:
    settings: Settings
    crew: Crew
    metrics: Metrics = field(default_factory=Metrics)
    about: dict[str, str] = field(default_factory=tool)

    # Paths --------------------------------------------------------------------------------------------------

    async def scan(self, request: Request) -> Response:
        """Judge the body."""
        name = _name(request)
        self._refuse_length(request, self.settings.bytes)
        async with self.crew.place():
            with tempfile.TemporaryDirectory(prefix="pvmscan-", ignore_cleanup_errors=True) as folder:
                path = os.path.join(folder, "body")
                with open(path, "wb") as file:
                    await self._body(request, self.settings.bytes, file.write)
                return self._report(await self._timed(self.crew.file(path, name)))

    async def scan_url(self, request: Request) -> Response:
        """Judge what lies at an address."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, 'The body is JSON: {"url": "https://..."}')
        self._refuse_length(request, ORDER_BYTES)
        async with self.crew.place():
            body = bytearray()
            await self._body(request, ORDER_BYTES, body.extend)
            try:
                url = self.settings.allowed.canonical(_url(bytes(body)))
            except Refused as error:
                raise HTTPException(403, f"It is not fetched: {error}.") from None
            return self._report(await self._timed(self.crew.address(url)))

    async def health(self, request: Request) -> Response:
        """Whether it lives."""
        return JSONResponse({"status": "ok", "version": pvm.__version__})

    async def measures(self, request: Request) -> Response:
        """The counters."""
        waiting = self.crew.present - self.crew.running
        gauges = {
            "pvmscan_scans_running": ("Scans under way.", self.crew.running),
            "pvmscan_scans_waiting": ("Requests that send their bytes or wait for a scan.", waiting),
        }
        return PlainTextResponse(self.metrics.text(self.about, gauges), media_type=TYPE)

    async def openapi(self, request: Request) -> Response:
        """What there is to ask for."""
        return JSONResponse(openapi())

    # Parts --------------------------------------------------------------------------------------------------

    def _refuse_length(self, request: Request, most: int) -> None:
        length = request.headers.get("content-length", "0")
        if _LENGTH.fullmatch(length) is None or int(length) > most:
            raise HTTPException(413, f"The body is larger than {most} bytes, which is the limit.")

    async def _body(self, request: Request, most: int, keep: Callable[[bytes], object]) -> None:
        total = 0
        try:
            with anyio.fail_after(self.settings.upload_seconds):
                async for chunk in request.stream():
                    total += len(chunk)
                    self.metrics.received += len(chunk)
                    if total > most:
                        raise HTTPException(413, f"The body is larger than {most} bytes, which is the limit.")
                    keep(chunk)
        except TimeoutError:
            text = f"The body did not arrive within {self.settings.upload_seconds:g} seconds."
            raise HTTPException(408, text) from None

    async def _timed(self, work: Awaitable[FileReport]) -> FileReport:
        began = time.monotonic()
        one = await work
        fetched = one.fetched.bytes if one.fetched is not None else 0
        self.metrics.scanned(str(one.verdict), time.monotonic() - began, fetched)
        return one

    def _report(self, one: FileReport) -> Response:
        policy = self.settings.policy.source
        about = self.about | ({"policy": os.path.basename(policy)} if policy is not None else {})
        return Response(render(Report((one,), about)), media_type="application/json")


def application(settings: Settings) -> Starlette:
    """The service as an ASGI application; raise `Refused` for an entry of the allow-list that is none."""
    _ = settings.allowed
    service = _Service(settings, Crew(settings))

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        service.crew.start()
        try:
            yield
        finally:
            service.crew.end()

    routes = [
        Route("/scan", _counted(service, service.scan), methods=["POST"]),
        Route("/scan/url", _counted(service, service.scan_url), methods=["POST"]),
        Route("/healthz", service.health),
        Route("/metrics", service.measures),
        Route("/openapi.json", service.openapi),
    ]
    handlers: dict[Any, Any] = {HTTPException: _problem, Exception: _mistake}
    return Starlette(routes=routes, lifespan=life, exception_handlers=handlers)


def openapi() -> dict[str, Any]:
    """The description of the interface, with the schema of reports in it."""
    with open(os.path.join(FOLDER, "openapi.json"), encoding="utf-8") as file:
        whole: dict[str, Any] = json.load(file)
    with open(SCHEMA, encoding="utf-8") as file:
        # where the parts of the schema stand in this document, by the name that OpenAPI has for such places
        report = json.loads(file.read().replace('"#/$defs/', '"#/components/schemas/'))
    parts: dict[str, Any] = report.pop("$defs")
    for name in ("$schema", "$id"):
        del report[name]
    whole["components"]["schemas"] |= {"Report": report, **parts}
    whole["info"]["version"] = pvm.__version__
    return whole


def _counted(
    service: _Service, answer: Callable[[Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """Count answers; no page of the web may ask, and nobody while there is no place."""

    async def counted(request: Request) -> Response:
        try:
            if "origin" in request.headers:
                raise HTTPException(403, "Requests of web pages are not answered.")
            response = await answer(request)
        except Busy:
            refusal = HTTPException(
                503, "There is too much to do; try again.", {"Retry-After": RETRY_SECONDS}
            )
            response = await _problem(request, refusal)
        except HTTPException as error:
            response = await _problem(request, error)
        except ClientDisconnect:
            response = await _problem(request, HTTPException(400, "The body ended too early."))
        service.metrics.requests[request.url.path, response.status_code] += 1
        return response

    return counted


async def _problem(request: Request, error: Exception) -> Response:
    """Problem details, for whoever reads the answer; the connection of an unread body is closed."""
    refusal = cast(HTTPException, error)
    status = HTTPStatus(refusal.status_code)
    detail = refusal.detail
    if detail == status.phrase:  # the framework's own
        detail = f"{request.method} {request.url.path}: {status.phrase}. See /openapi.json."
    content = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    headers = {**(refusal.headers or {}), "Connection": "close"}
    return JSONResponse(content, status.value, headers, "application/problem+json")


async def _mistake(request: Request, error: Exception) -> Response:
    return await _problem(request, HTTPException(500, f"pvmscan failed: {type(error).__name__}."))


def _name(request: Request) -> str:
    """What the client calls its bytes: their base name, which readers take a hint from. It never is a path of ours."""
    name = request.query_params.get("name", UNNAMED)
    if _NAME.fullmatch(name) is None:
        raise HTTPException(400, "The name is that of a file without folders, of at most 255 characters.")
    return name


def _url(body: bytes) -> str:
    try:
        url = json.loads(body)["url"]
    except (ValueError, TypeError, KeyError, RecursionError):
        url = None
    if not isinstance(url, str):
        raise HTTPException(400, 'The body is JSON: {"url": "https://..."}')
    return url
