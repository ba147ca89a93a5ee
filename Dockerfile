# pvmscan in a container: no network, no root, the models mounted read-only.
#
#   docker build -t pvmscan .
#   docker run --rm --network none -v "$PWD/models:/scan:ro" pvmscan .
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY pvm pvm
COPY analyzers analyzers
COPY cli cli
RUN python -m venv /opt/pvmscan && /opt/pvmscan/bin/pip install --no-cache-dir --disable-pip-version-check .

FROM python:3.13-slim
COPY --from=build /opt/pvmscan /opt/pvmscan
RUN useradd --system --uid 10001 --no-create-home pvmscan
USER 10001
WORKDIR /scan
ENTRYPOINT ["/opt/pvmscan/bin/pvmscan"]
CMD ["--help"]
