# shellcheck shell=sh
# What the set-up scripts print. $quiet leaves out what was there already.

there() { [ -n "${quiet:-}" ] || printf '  ✓ %-10s %s\n' "$1" "${2:-}"; }
doing() { printf '  → %s\n' "$1"; }
fail() { printf '  ✗ %s\n' "$1" >&2; exit 1; }
