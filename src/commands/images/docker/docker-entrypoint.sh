#!/bin/sh
# Entry point of the docker:cli stand-in, with the contract of the image whose place it takes: a docker command or an option
# runs docker, anything else runs as it is, and DOCKER_HOST is found when it isn't set.
set -eu

certificates="${DOCKER_TLS_CERTDIR:-}"
hasCertificates() {
  [ -n "$certificates" ] && [ -s "$certificates/client/ca.pem" ] && [ -s "$certificates/client/cert.pem" ]
}

if [ "${1#-}" != "$1" ] || docker help "$1" >/dev/null 2>&1; then
  set -- docker "$@"
fi

if [ -z "${DOCKER_HOST:-}" ] && [ ! -S /var/run/docker.sock ]; then
  if hasCertificates; then
    export DOCKER_HOST=tcp://docker:2376
  else
    export DOCKER_HOST=tcp://docker:2375
  fi
fi

case "${DOCKER_HOST:-}" in
  tcp://*)
    if [ -z "${DOCKER_TLS_VERIFY:-}" ] && [ -z "${DOCKER_CERT_PATH:-}" ] && hasCertificates; then
      export DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$certificates/client"
    fi
    ;;
esac

exec "$@"
