#!/bin/sh
# Entry point of the docker:dind stand-in, with the contract of the image whose place it takes: without a command it runs the
# daemon, on 2376 with certificates in DOCKER_TLS_CERTDIR, or on 2375 without when that is empty.
set -eu

# makeKey DIRECTORY COMMON-NAME EXTENSIONS: a key and a certificate signed by the authority beside it
makeKey() {
  mkdir -p "$1"
  openssl ecparam -name prime256v1 -genkey -noout -out "$1/key.pem"
  openssl req -new -key "$1/key.pem" -subj "/CN=$2" -out "$1/csr.pem"
  printf '%s\n' "$3" >"$1/openssl.cnf"
  openssl x509 -req -in "$1/csr.pem" -CA "$1/../ca/cert.pem" -CAkey "$1/../ca/key.pem" -CAcreateserial \
    -days 825 -extfile "$1/openssl.cnf" -out "$1/cert.pem" 2>/dev/null
  cp "$1/../ca/cert.pem" "$1/ca.pem"
}

makeCertificates() {
  if [ -s "$1/server/cert.pem" ] && openssl verify -CAfile "$1/ca/cert.pem" "$1/server/cert.pem" >/dev/null 2>&1; then
    return
  fi
  mkdir -p "$1/ca"
  openssl ecparam -name prime256v1 -genkey -noout -out "$1/ca/key.pem"
  openssl req -x509 -new -key "$1/ca/key.pem" -subj '/CN=docker:dind CA' -days 825 -out "$1/ca/cert.pem"
  names="DNS:docker,DNS:localhost,DNS:$(hostname),IP:127.0.0.1,IP:::1"
  for address in $(hostname -i 2>/dev/null || true); do names="$names,IP:$address"; done
  if [ -n "${DOCKER_TLS_SAN:-}" ]; then names="$names,$DOCKER_TLS_SAN"; fi
  makeKey "$1/server" docker:dind "extendedKeyUsage=serverAuth
subjectAltName=$names"
  makeKey "$1/client" 'docker:dind client' extendedKeyUsage=clientAuth
}

if [ $# -eq 0 ] || [ "${1#-}" != "$1" ]; then
  set -- dockerd "$@"
  withDefaults=1
fi

if [ "$1" = dockerd ]; then
  shift
  # A container that is started again finds the pid files of its last run.
  find /run /var/run -iname 'docker*.pid' -delete 2>/dev/null || true
  if [ -n "${DOCKER_IPTABLES_LEGACY:-}" ]; then
    export PATH="/usr/local/sbin/.iptables-legacy:$PATH"
  fi
  if [ -z "${withDefaults:-}" ]; then exec docker-init -- dockerd "$@"; fi
  if [ -n "${DOCKER_TLS_CERTDIR:-}" ]; then
    makeCertificates "$DOCKER_TLS_CERTDIR"
    exec docker-init -- dockerd --host=unix:///var/run/docker.sock --host=tcp://0.0.0.0:2376 --tlsverify \
      --tlscacert "$DOCKER_TLS_CERTDIR/server/ca.pem" --tlscert "$DOCKER_TLS_CERTDIR/server/cert.pem" \
      --tlskey "$DOCKER_TLS_CERTDIR/server/key.pem" "$@"
  fi
  # Told to open a TCP port without TLS, dockerd first waits for seconds. Handed open sockets it doesn't wait, and clients that
  # come early stand in their queue. --tls=false takes one of the two waits away where there is no perl.
  if command -v perl >/dev/null; then
    exec docker-init -- perl /usr/local/lib/docker/listen.pl 2375 /run/docker.sock dockerd --host=fd:// "$@"
  fi
  exec docker-init -- dockerd --host=unix:///var/run/docker.sock --host=tcp://0.0.0.0:2375 --tls=false "$@"
fi

exec docker-entrypoint.sh "$@"
