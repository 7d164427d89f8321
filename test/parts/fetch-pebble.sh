#!/usr/bin/env bash
# Unpacks Debian testing's package `pebble` (or the one named) under .parts/<package>, without root and without touching
# the system.
# Usage: fetch-pebble.sh [PACKAGE [COMMAND]]     e.g. fetch-pebble.sh lego
set -euo pipefail
. "$(dirname "$0")/private-apt.sh"

package=${1:-pebble}
command=${2:-$package}

runs() { timeout 20 "$parts/$package/usr/bin/$command" -version >/dev/null 2>&1 </dev/null ||
  timeout 20 "$parts/$package/usr/bin/$command" --version >/dev/null 2>&1 </dev/null; }

runs && exit 0
echo "$me: fetching '$package' of Debian testing"
prepare_apt
private_apt download "$package" || fail "cannot fetch '$package'"
debs=("$work"/archives/"$package"_*.deb)
[[ -f ${debs[0]} ]] || fail "apt left no file of '$package'"
dpkg-deb -x "${debs[0]}" "$work/tree"

# In one step, so that nobody meets half a tree; a tree that did not run goes first.
rm -rf "${parts:?}/$package"
mv -T "$work/tree" "$parts/$package"
runs || fail "'$parts/$package/usr/bin/$command' does not run here (made for a newer C library?)"
echo "$me: '$package' is in '$parts/$package'"
