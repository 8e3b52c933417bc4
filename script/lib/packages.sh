# shellcheck shell=sh
# Packages of Debian and Ubuntu, where we may install them: as root, or with sudo that asks for no password.

asRoot() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

mayInstall() {
  command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

installPackages() {
  mayInstall || return 1
  doing "installing with apt-get: $*"
  asRoot apt-get update -qq >&2 || :
  asRoot env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}
