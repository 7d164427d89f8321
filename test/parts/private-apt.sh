# Sourced by the fetching scripts: a private apt for Debian testing, with its own lists, fed from the Debian mirror and
# checked by the keyring of this machine. Sets `parts` (the folder .parts) and makes `work`, which goes away at the end;
# `private_apt` runs apt-get there, with an empty list of installed packages; .deb files come to $work/archives.
# shellcheck shell=bash
me=${0##*/}
parts=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.parts
keyring=${NIXACME_DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}

fail() { echo "$me: $*" >&2; exit 1; }

# Reads the package lists of Debian testing.
prepare_apt() {
  local tool mirror
  for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || fail "'$tool' is missing: this needs a Debian-like machine"
  done
  [[ -r $keyring ]] || fail "keyring '$keyring' is missing: apt-get install debian-archive-keyring"
  # apt itself knows its sources, whichever style they are written in. Debian's main archive, not its security team's.
  mirror=${NIXACME_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "main" && $2 ~ /\/debian\/?$/ { print $2; exit }')}
  mirror=${mirror:-http://deb.debian.org/debian}
  mkdir -p "$parts"
  work=''
  trap 'rm -rf ${work:+"$work"}' EXIT
  work=$(mktemp -d "$parts/.fetch.XXXXXX")
  mkdir -p "$work"/{lists,archives}/partial "$work"/{tree,none}
  chmod 755 "$work" "$work/tree"
  : >"$work/status"
  echo "deb [signed-by=$keyring] $mirror testing main" >"$work/sources.list"
  cd "$work/archives"
  private_apt update || fail "cannot read the package lists of '$mirror'"
}

private_apt() {
  timeout 300 apt-get -q \
    -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts="$work/none" \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts="$work/none" \
    -o Dir::State="$work" -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status" \
    -o Dir::Cache="$work" -o Dir::Cache::Archives="$work/archives" -o Debug::NoLocking=1 \
    -o Acquire::Languages=none -o Acquire::Retries=3 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 \
    -o APT::Sandbox::User="$(id -un)" "$@" </dev/null
}
