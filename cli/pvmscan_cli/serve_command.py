"""`pvmscan serve`: judge what others send, by HTTP."""

from __future__ import annotations

import click

from pvm.hints import TYPE_CHECKING
from pvmscan_cli import configuration
from pvmscan_cli.common import CONTEXT, message

if TYPE_CHECKING:
    from pvmscan.service import Settings

HERE = ("127.0.0.1", "::1", "localhost")


@click.command(name="serve", context_settings=CONTEXT)
@click.option(
    "--host", default=HERE[0], show_default=True, help="Where to listen; the default is this machine alone."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option("--allow", multiple=True, metavar="ADDRESS",
              help="What may be fetched on request, with all that lies below it: https://models.example/public, "
              "https://*.models.example, hf:owner, s3://bucket/folder. A network, as 10.1.0.0/16, lets an allowed host "
              "have its address there. Repeatable. [default: nothing]")  # fmt: skip
@click.option("--megabytes", type=click.IntRange(1), default=1024, show_default=True,
              help="Most of a body, and of what is fetched for one scan.")  # fmt: skip
@click.option("--scans", type=click.IntRange(1), help="At a time. [default: one for each core]")
@click.option("--waiting", type=click.IntRange(0), default=16, show_default=True,
              help="Requests that wait for a scan to end; further ones are turned away.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0.01), default=60.0, show_default=True,
              help="Wall-clock time for each scan, fetching included.")  # fmt: skip
@click.option("--memory", type=click.IntRange(64), default=2048, show_default=True, metavar="MIB",
              help="Memory for each scan; enforced on Linux.")  # fmt: skip
@click.option("--config", "-c", type=click.Path(), help="Follow this configuration (see pvmscan init).")
@click.option("--no-config", is_flag=True, help="Follow no configuration.")
def command(
    host: str, port: int, allow: tuple[str, ...], megabytes: int, scans: int | None, waiting: int, seconds: float,
    memory: int, config: str | None, no_config: bool,
) -> None:  # fmt: skip
    """Answer requests of other programs: POST a file to /scan, or {"url": ...} to /scan/url, get the JSON report.

    It listens on this machine alone (127.0.0.1) unless --host says otherwise, and fetches no address unless --allow
    does. There is no log-in, so a port that others reach belongs behind a proxy that has one. /healthz, /metrics
    (Prometheus) and /openapi.json are there too.

    \b
    Examples:
      pvmscan serve
      pvmscan serve --allow https://models.example/ --allow hf:owner
      curl --data-binary @model.pt 'http://127.0.0.1:8080/scan?name=model.pt'
    """
    from pvmscan.parallel import cores
    from pvmscan.remote import Refused
    from pvmscan.service import Settings, serve

    policy = configuration.policy_for((), config, no_config)
    settings = Settings(
        allow=allow, bytes=megabytes << 20, scans=scans or cores(), waiting=waiting, seconds=seconds,
        memory=memory << 20, options=configuration.scan_options(policy, seconds), policy=policy,
    )  # fmt: skip
    try:
        _tell(settings, host, port)
        serve(settings, host, port)
    except Refused as error:
        raise click.BadParameter(f"{error}.", param_hint="--allow") from None
    except ImportError as error:
        raise click.UsageError(
            f"a library is not installed ({error.name}): pip install 'pvmscan[serve]'"
        ) from None


def _tell(settings: Settings, host: str, port: int) -> None:
    allowed = settings.allowed
    fetches = f"{len(allowed.entries)} entries" if allowed.entries else "nothing"
    place = f"[{host}]" if ":" in host else host
    message(f"listening on http://{place}:{port}; may fetch {fetches}")
    if host not in HERE:
        message("others reach this port, and there is no log-in: keep it behind a proxy that has one")
