# What scripts of acme.sh's `dnsapi` expect to find around them, written anew from what its wiki documents (DNS API Dev
# Guide) and from what the scripts call. POSIX sh; sourced before a script. Needs curl and openssl.
#
# No credential becomes an argument of a command: curl reads its settings from standard input, and HMAC is made of digests,
# since openssl takes its key as an argument only. What scripts save goes to $HOME, a folder for one call.
# shellcheck shell=sh disable=SC2034

HTTP_HEADER="$HOME/http.header"
LE_WORKING_DIR="$HOME"
LE_CONFIG_HOME="$HOME"
DOMAIN_PATH="$HOME"
DOMAIN_CONF="$HOME/conf"
ACCOUNT_CONF_PATH="$HOME/conf"
ACME_OPENSSL_BIN=openssl
USER_AGENT='nixacme/acmesh'

# --- words: all on standard error, since scripts take standard output as results ---

_printargs() {
  if [ $# -gt 1 ]; then printf '%s\n' "$1='$2'"; else printf '%s\n' "${1-}"; fi
}
_info() { _printargs "$@" >&2; }
_err() {
  _printargs "$@" >&2
  return 1
}
_usage() { _printargs "$@" >&2; }
# What is for debugging may hold credentials, or what was made of them: it is not shown.
_debug() { :; }
_debug2() { :; }
_debug3() { :; }
_secure_debug() { :; }
_secure_debug2() { :; }
_secure_debug3() { :; }
__green() { printf '%s' "$1"; }
__red() { printf '%s' "$1"; }

# --- text; the second argument of the first three is a basic regular expression ---

_contains() { printf '%s\n' "$1" | grep -q -e "$2"; }
_startswith() { printf '%s\n' "$1" | grep -q -e "^$2"; }
_endswith() { printf '%s\n' "$1" | grep -q -e "$2\$"; }
_egrep_o() { grep -E -o -e "$1"; }
_head_n() { head -n "$1"; }
_tail_n() { tail -n "$1"; }
_cut() { cut "$@"; }
_lower_case() { tr '[:upper:]' '[:lower:]'; }
_upper_case() { tr '[:lower:]' '[:upper:]'; }
# text, number of the field, separator (a comma unless told)
_getfield() { printf '%s\n' "$1" | cut -d "${3:-,}" -f "$2"; }
# expression file: edits the file
_sed_i() {
  _edited=$(sed "$1" "$2") || return 1
  printf '%s\n' "$_edited" >"$2"
}
_math() { printf '%s' "$(($*))"; }
_isIPv4() { printf '%s\n' "$1" | grep -q -E '^([0-9]{1,3}\.){3}[0-9]{1,3}$'; }
_is_idn() { [ -n "$(printf '%s' "$1" | LC_ALL=C tr -d '[:print:]')" ]; }
_idn() {
  if ! _is_idn "$1"; then
    printf '%s' "$1"
  elif _exists idn2; then
    printf '%s\n' "$1" | idn2 | tr -d '\r\n'
  elif _exists idn; then
    printf '%s\n' "$1" | idn --quiet | tr -d '\r\n'
  else
    _err "'$1' is no ASCII name, and neither 'idn2' nor 'idn' is there"
  fi
}

# --- JSON as text ---

# Takes out line breaks, and blanks at their ends and around the colon before a string, an object or a list.
_normalizeJson() {
  sed -e 's/" *: *\(["{[]\)/":\1/g' -e 's/^ *//' | tr -d '\r\n'
}
# The inside of a JSON string.
_json_encode() {
  sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e "s/$(printf '\t')/\\\\t/g" -e "s/$(printf '\r')/\\\\r/g" |
    sed -e ':a' -e '$!N' -e '$!ba' -e 's/\n/\\n/g' | tr -d '\n'
}

# --- bytes ---

# ` 61 62`, with a blank before each byte.
_hex_dump() { od -A n -v -t x1 | tr -s ' \n' ' ' | sed 's/ *$//' | tr -d '\n'; }
_ascii_hex() { _hex_dump; }
# Bytes in hex, with blanks between or without, as they would be written for printf.
_escapes_of() {
  _octal=
  for _byte in $(printf '%s' "$1" | tr -d ' \n' | sed 's/../ &/g'); do
    _n=$((0x$_byte ^ ${2:-0}))
    _octal="$_octal\\$((_n / 64))$((_n / 8 % 8))$((_n % 8))"
  done
}
_h2b() {
  _escapes_of "$(cat)"
  # shellcheck disable=SC2059
  printf "$_octal"
}
# Any argument: in lines
_base64() {
  if [ "${1-}" ]; then openssl base64 -e; else openssl base64 -e -A; fi
}
_dbase64() {
  if [ "${1-}" ]; then openssl base64 -d; else openssl base64 -d -A; fi
}
_url_replace() { tr '/+' '_-' | tr -d '= \r\n'; }
_durl_replace_base64() {
  _plain=$(tr '_-' '/+')
  while [ $((${#_plain} % 4)) -ne 0 ]; do _plain="$_plain="; done
  printf '%s' "$_plain"
}
# `upper-hex`: %2F in place of %2f
_url_encode() {
  _encoded=
  for _byte in $(_hex_dump); do
    case $_byte in
    2d | 2e | 5f | 7e | 3[0-9] | 4[1-9a-f] | 5[0-9a] | 6[1-9a-f] | 7[0-9a])
      _n=$((0x$_byte))
      _encoded="$_encoded\\$((_n / 64))$((_n / 8 % 8))$((_n % 8))"
      ;;
    *)
      [ "${1-}" = upper-hex ] && _byte=$(printf '%s' "$_byte" | _upper_case)
      _encoded="$_encoded%%$_byte"
      ;;
    esac
  done
  # shellcheck disable=SC2059
  printf "$_encoded"
}
# algorithm; a second argument: in hex, else in base64
_digest() {
  if [ "${2-}" ]; then
    openssl dgst "-$1" -binary | _hex_dump | tr -d ' '
  else
    openssl dgst "-$1" -binary | _base64
  fi
}
# algorithm, key in hex; a third argument: in hex, else in base64 (RFC 2104)
_hmac() {
  case $1 in
  sha384 | sha512) _block=256 ;;
  *) _block=128 ;;
  esac
  _key=$(printf '%s' "$2" | tr -d ' ')
  [ ${#_key} -gt $_block ] && _key=$(printf '%s' "$_key" | _h2b | _digest "$1" hex)
  while [ ${#_key} -lt $_block ]; do _key="${_key}00"; done
  _escapes_of "$_key" 0x36
  # shellcheck disable=SC2059
  _inner=$({ printf "$_octal" && cat; } | _digest "$1" hex)
  _escapes_of "$_key" 0x5c
  # shellcheck disable=SC2059
  { printf "$_octal" && printf '%s' "$_inner" | _h2b; } | _digest "$1" "${3-}"
}
# file with a private key, algorithm: of standard input, in base64
_sign() { openssl dgst "-${2:-sha256}" -sign "$1" | _base64; }

# --- system ---

_exists() { command -v "$1" >/dev/null 2>&1; }
_mktemp() { mktemp "$HOME/tmp.XXXXXX"; }
_sleep() { sleep "$1"; }
_time() { date -u +%s; }
_utc_date() { date -u '+%Y-%m-%d %H:%M:%S'; }
_date2time() { date -u -d "$(printf '%s' "$1" | tr 'TZ' '  ')" +%s; }
_time2str() { date -u -d "@$1" '+%Y-%m-%dT%H:%M:%SZ'; }

# --- what is kept from one call to the next; the credentials themselves come by the environment each time ---

# file key value: a line `key=<base64>`
_save_conf() {
  _clear_conf "$1" "$2"
  eval "_given=\${$2-}"
  [ "$_given" = "$3" ] && [ -n "$(env | sed -n "s/^$2=.*/x/p")" ] && return 0
  printf '%s=%s\n' "$2" "$(printf '%s' "$3" | _base64)" >>"$1"
}
_read_conf() {
  _kept=$([ -f "$1" ] && sed -n "s/^$2=//p" "$1")
  if [ "$_kept" ]; then printf '%s' "$_kept" | _dbase64; else eval "printf '%s' \"\${$2-}\""; fi
}
_clear_conf() { [ ! -f "$1" ] || _sed_i "/^$2=/d" "$1"; }
_saveaccountconf() { _save_conf "$ACCOUNT_CONF_PATH" "$1" "$2"; }
_saveaccountconf_mutable() { _save_conf "$ACCOUNT_CONF_PATH" "$1" "$2"; }
_readaccountconf() { _read_conf "$ACCOUNT_CONF_PATH" "$1"; }
_readaccountconf_mutable() { _read_conf "$ACCOUNT_CONF_PATH" "$1"; }
_clearaccountconf() { _clear_conf "$ACCOUNT_CONF_PATH" "$1"; }
_clearaccountconf_mutable() { _clear_conf "$ACCOUNT_CONF_PATH" "$1"; }
_savedomainconf() { _save_conf "$DOMAIN_CONF" "domain_$1" "$2"; }
_readdomainconf() { _read_conf "$DOMAIN_CONF" "domain_$1"; }
_cleardomainconf() { _clear_conf "$DOMAIN_CONF" "domain_$1"; }
# old key, new key
_migratedomainconf() {
  _moved=$(_readdomainconf "$1")
  [ -z "$_moved" ] || { _savedomainconf "$2" "$_moved" && _cleardomainconf "$1"; }
}

# --- HTTP: up to five headers in _H1 to _H5, those of the answer in the file $HTTP_HEADER ---

_inithttp() { : >"$HTTP_HEADER"; }
_resethttp() { :; }
# name value: a line of curl's settings
_setting() {
  printf '%s = "' "$1"
  printf '%s\n' "$2" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e "s/$(printf '\r')/\\\\r/g" |
    sed -e ':a' -e '$!N' -e '$!ba' -e 's/\n/\\n/g' | tr -d '\n'
  printf '"\n'
}
# seconds, then pairs of a setting and its value
_curl() {
  if ! _exists curl; then
    _err "'curl' is missing"
    return 1
  fi
  _inithttp
  _seconds=$1
  shift
  {
    printf 'silent\nshow-error\ngloboff\n'
    _setting user-agent "$USER_AGENT"
    _setting max-time "$_seconds"
    _setting dump-header "$HTTP_HEADER"
    [ "${ACME_HTTP_NO_REDIRECTS-}" ] || printf 'location\n'
    [ -z "${HTTPS_INSECURE-}" ] || printf 'insecure\n'
    for _header in "${_H1-}" "${_H2-}" "${_H3-}" "${_H4-}" "${_H5-}"; do
      [ -z "$_header" ] || _setting header "$(printf '%s' "$_header" | tr -d '\r\n')"
    done
    while [ $# -gt 0 ]; do
      if [ "$1" = head ]; then printf 'head\n'; else _setting "$1" "$2"; fi
      shift 2
    done
  } | curl --disable --config -
}
# url [only the header] [seconds]
_get() {
  if [ "${2-}" ]; then
    _curl "${3:-60}" url "$1" head ''
  else
    _curl "${3:-60}" url "$1"
  fi
}
# body, url, [answer in base64], [method: POST unless told], [type of the body]
_post() {
  set -- "$1" "$2" "${3-}" "${4:-POST}" "${5-}"
  if [ "$4" = HEAD ]; then
    _curl 120 url "$2" head ''
  elif [ "$3" ]; then
    _answer="$HOME/answer"
    _post "$1" "$2" '' "$4" "$5" >"$_answer" && _base64 <"$_answer"
  elif [ "$5" ]; then
    _curl 120 url "$2" request "$4" header "Content-Type: $5" data-raw "$1"
  else
    _curl 120 url "$2" request "$4" data-raw "$1"
  fi
}
