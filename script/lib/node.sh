# shellcheck shell=sh
# Puts a Node that fits (24 or newer) first on PATH: the project's own, else the machine's. To be sourced, with the project's
# directory in $root or as the working directory. Without such a Node it says what to do and exits 1.

nodeFits() {
  version=$("$1" --version 2>/dev/null) || return 1
  version=${version#v}
  [ "${version%%.*}" -ge 24 ] 2>/dev/null
}

findNode() {
  # script/setup keeps its own in .node/; it was checked when it came.
  for directory in "$1/.node/bin" "$1/node_modules/.bin"; do
    if [ -x "$directory/node" ]; then
      printf '%s\n' "$directory"
      return
    fi
  done
  found=$(command -v node) && nodeFits "$found" && dirname "$found"
}

if nodeDirectory=$(findNode "${root:-$PWD}"); then
  case $PATH in
    "$nodeDirectory":*) ;;
    *) export PATH="$nodeDirectory:$PATH" ;;
  esac
else
  cat >&2 <<END
slipway needs Node 24 or newer, and finds $(node --version 2>/dev/null || echo none) here.
  Run ${root:-$PWD}/script/setup once: it brings Node into the project and leaves the machine's as it is.
END
  exit 1
fi
