#!/usr/bin/env bash
# Unpacks Debian testing's package `pebble` (or the one named) under .parts/<package>, without root and without touching
# the system: a private apt with its own lists, fed from the Debian mirror and checked by the keyring of this machine.
# Usage: fetch-pebble.sh [PACKAGE [COMMAND]]     e.g. fetch-pebble.sh lego
set -euo pipefail

package=${1:-pebble}
command=${2:-$package}
parts=$(cd "$(dirname "$0")/../.." && pwd)/.parts
keyring=${NIXACME_DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}

runs() { timeout 20 "$parts/$package/usr/bin/$command" -version >/dev/null 2>&1 </dev/null ||
  timeout 20 "$parts/$package/usr/bin/$command" --version >/dev/null 2>&1 </dev/null; }

fail() { echo "fetch-pebble.sh: $*" >&2; exit 1; }

runs && exit 0
for tool in apt-get dpkg-deb; do command -v "$tool" >/dev/null || fail "'$tool' is missing: this needs a Debian-like machine"; done
[[ -r $keyring ]] || fail "keyring '$keyring' is missing: apt-get install debian-archive-keyring"

# apt itself knows its sources, whichever style they are written in. Debian's own main archive, not that of its security team.
mirror=${NIXACME_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
  awk '$1 == "main" && $2 ~ /\/debian\/?$/ { print $2; exit }')}
mirror=${mirror:-http://deb.debian.org/debian}

mkdir -p "$parts"
work=$(mktemp -d "$parts/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists,archives}/partial "$work"/{tree,none}
: >"$work/status"
echo "deb [signed-by=$keyring] $mirror testing main" >"$work/sources.list"
cd "$work/archives"

private_apt=(
  timeout 300 apt-get -q
  -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts="$work/none"
  -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts="$work/none"
  -o Dir::State="$work" -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status"
  -o Dir::Cache="$work" -o Dir::Cache::Archives="$work/archives"
  -o Acquire::Languages=none -o Acquire::Retries=3 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30
  -o APT::Sandbox::User="$(id -un)"
)
echo "fetch-pebble.sh: fetching '$package' of Debian testing"
"${private_apt[@]}" update </dev/null || fail "cannot read the package lists of '$mirror'"
"${private_apt[@]}" download "$package" </dev/null || fail "cannot fetch '$package'"
debs=("$work"/archives/"$package"_*.deb)
[[ -f ${debs[0]} ]] || fail "apt left no file of '$package'"
dpkg-deb -x "${debs[0]}" "$work/tree"

# In one step, so that nobody meets half a tree; a tree that did not run goes first.
rm -rf "${parts:?}/$package"
mv -T "$work/tree" "$parts/$package"
runs || fail "'$parts/$package/usr/bin/$command' does not run here (made for a newer C library?)"
echo "fetch-pebble.sh: '$package' is in '$parts/$package'"
