# The service and its workers in one image: docker build --tag macrohard .
#
# BASE may be any Debian with Python 3.11 or newer. Where no package index can be reached, put the packages into
# `wheels/` first: pip download --dest wheels --constraint constraints.txt '.[oidc,otel,postgres]' hatchling django-htmx==1.29.0
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
USER root
WORKDIR /src
COPY . .
ARG PIP_OPTIONS=
RUN python3 -m venv /opt/macrohard \
 && /opt/macrohard/bin/pip install --no-cache-dir --find-links wheels --constraint constraints.txt ${PIP_OPTIONS} \
      '.[oidc,otel,postgres]'

FROM ${BASE}
USER root
RUN command -v git > /dev/null \
 || (apt-get update && apt-get install -y --no-install-recommends ca-certificates git && rm -rf /var/lib/apt/lists/*)
RUN useradd --uid 10010 --create-home macrohard \
 && install -d -o macrohard -g macrohard -m 0700 /var/lib/macrohard
COPY --from=build /opt/macrohard /opt/macrohard
ENV HOME=/home/macrohard \
    MACROHARD_HOME=/var/lib/macrohard \
    PATH=/opt/macrohard/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    USER=macrohard
USER macrohard
WORKDIR /home/macrohard
VOLUME /var/lib/macrohard
EXPOSE 8700
ENTRYPOINT ["macrohard"]
CMD ["serve", "--team", "--host", "0.0.0.0", "--workers", "0"]
