#!/usr/bin/env bash
# Boots a real systemd as PID 1 in namespaces, runs one command inside as root, gives back its output and exit status,
# and leaves nothing behind. Half a second and 25 MB.
#
#   boot-systemd.sh [OPTION]... [--] COMMAND [ARG]...
#
#   --root DIR        boot the tree DIR (a Debian testing, say) instead of the machine's own /
#   --tree DIR        copy DIR's content over / before the boot; repeatable
#   --bind H:D[:ro]   show the outside path H at D inside, writable unless :ro; repeatable
#   --keep DIR        keep in DIR what is written; a further boot with the same DIR goes on from there
#   --env K=V         one more variable for COMMAND; repeatable
#   --container       no systemd: PID 1 only sleeps, as in many a container
#   --timeout S       limit for COMMAND (600): then the exit status is 124
#   --boot-timeout S  limit for the boot (60): then it is 125
#   -v                say on stderr how long each step took
#
# The root file system is an overlay: below it the tree, above it a tmpfs. What is written inside is gone at the end,
# unless it is written to a --bind or there is a DIR to --keep it in (which an overlay must be able to write to: a tmpfs). COMMAND sees the tree's programs, and of the machine's other file systems only what
# is bound; the network is a loopback of its own, with the nameserver 127.0.0.1. BOOT_STATE tells COMMAND what
# `systemctl is-system-running` said. Exit status: COMMAND's own, 124, 125 (why is on stderr), or 2 for wrong use.
#
# Unlike a real machine: no limits where the host keeps the cgroup controllers in v1 (MemoryMax=, TasksMax=); clock,
# /proc/sys (but net), /sys and kernel modules are out of reach; no udev, getty, logind, swap, and none of the tree's
# own enabled units; the journal is volatile and not rate limited. If this script is killed, its systemd is too.
#
# Needs: root with CAP_SYS_ADMIN, overlayfs, cgroup v2 (hybrid is enough), systemd, util-linux, iproute2.
set -uo pipefail

ME=${0##*/}
MASKED=(
  dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount
  sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount systemd-binfmt.service systemd-modules-load.service
  kmod-static-nodes.service modprobe@.service systemd-logind-varlink.socket systemd-udevd.service
  systemd-udev-trigger.service systemd-udev-settle.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udevd-varlink.socket
  systemd-udev-load-credentials.service systemd-hwdb-update.service systemd-logind.service getty-static.service
  getty@.service console-getty.service serial-getty@.service systemd-update-utmp.service
  systemd-update-utmp-runlevel.service systemd-ask-password-console.path systemd-ask-password-wall.path
  systemd-firstboot.service systemd-machine-id-commit.service systemd-random-seed.service systemd-sysctl.service
  tmp.mount systemd-repart.service systemd-pstore.service systemd-pcrphase.service systemd-pcrphase-sysinit.service
  systemd-journald-audit.socket systemd-initctl.socket systemd-tmpfiles-clean.timer systemd-remount-fs.service
)
# What a test could do to the machine around it. Root keeps the other capabilities, as units may need them.
DROPPED=-sys_time,-sys_module,-sys_rawio,-syslog,-wake_alarm,-block_suspend,-mac_admin,-mac_override

say() { printf '%s: %s\n' "$ME" "$*" >&2; }
usage() { say "$*"; say "see $ME --help"; exit 2; }

# ---- inner half: PID 1 of the new namespaces -------------------------------

mount_kernel_filesystems() {
  mount -t proc -o nosuid,nodev,noexec proc "$R/proc"
  mount --bind "$R/proc/sys" "$R/proc/sys"
  mount --bind "$R/proc/sys/net" "$R/proc/sys/net"
  mount -o remount,bind,ro "$R/proc/sys"
  local f
  for f in sysrq-trigger kcore kmsg; do
    if [ -e "$R/proc/$f" ]; then mount --bind /dev/null "$R/proc/$f"; fi
  done
  mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$R/sys"
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$R/sys/fs/cgroup"
  mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$R/run"
  mkdir "$R/run/lock"; chmod 1777 "$R/run/lock"
}

mount_devices() {
  mount -t tmpfs -o mode=755,nosuid tmpfs "$R/dev"
  local d
  for d in null zero full random urandom tty; do
    : > "$R/dev/$d"; mount --bind "/dev/$d" "$R/dev/$d"
  done
  mkdir "$R/dev/pts" "$R/dev/shm" "$R/dev/mqueue"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$R/dev/pts"
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$R/dev/shm"
  mount -t mqueue mqueue "$R/dev/mqueue" 2>/dev/null || true
  ln -s pts/ptmx "$R/dev/ptmx"; ln -s /proc/self/fd "$R/dev/fd"
  ln -s fd/0 "$R/dev/stdin"; ln -s fd/1 "$R/dev/stdout"; ln -s fd/2 "$R/dev/stderr"
}

# A machine of its own: no unit, generator or clean-up of the tree's. An empty file masks as a link to /dev/null does.
settle_etc() {
  local E=$R/etc g u
  rm -rf "$E/systemd/system"
  mkdir -p "$E"/systemd/{system,system-generators,journald.conf.d} "$E/tmpfiles.d"
  for g in "$R"/{usr/lib,lib,usr/local/lib}/systemd/system-generators/*; do
    if [ -e "$g" ]; then : > "$E/systemd/system-generators/${g##*/}"; fi
  done
  for u in "${MASKED[@]}"; do : > "$E/systemd/system/$u"; done
  : > "$E/tmpfiles.d/tmp.conf"   # Debian's empties /tmp at boot
  : > "$E/tmpfiles.d/x11.conf"
  printf '[Journal]\nStorage=volatile\nAudit=no\nReadKMsg=no\nForwardToWall=no\nRateLimitIntervalSec=0\n' \
    > "$E/systemd/journald.conf.d/boot-systemd.conf"
  rm -f "$E/machine-id" "$E/resolv.conf" "$E/fstab" "$E/hostname" "$E/hosts"
  : > "$E/fstab"
  tr -d - < /proc/sys/kernel/random/uuid > "$E/machine-id"
  echo booted > "$E/hostname"; hostname booted
  printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' > "$E/resolv.conf"
  printf '127.0.0.1 localhost booted\n' > "$E/hosts"
}

add_trees() {
  local t
  for t in ${TREE[@]+"${TREE[@]}"}; do cp -a --no-preserve=ownership "$t/." "$R/"; done
}

add_binds() {
  local b h d o
  for b in ${BIND[@]+"${BIND[@]}"}; do
    IFS=: read -r h d o <<< "$b"
    if [ -d "$h" ]; then mkdir -p "$R$d"; else mkdir -p "$R${d%/*}"; : >> "$R$d"; fi
    mount --bind "$h" "$R$d"
    if [ -n "$o" ]; then mount -o "remount,bind,$o" "$R$d"; fi
  done
}

become_pid_1() {
  umask 022
  mount -t tmpfs -o mode=755 boot-systemd "$W"
  mkdir "$W/root"
  R=$W/root
  local above=${KEEP:-$W} first=1
  if [ -d "$above/upper" ]; then first=0; else mkdir "$above/upper" "$above/work"; fi
  mount -t overlay overlay -o "lowerdir=$ROOT,upperdir=$above/upper,workdir=$above/work" "$R"
  mount_kernel_filesystems
  mount_devices
  if [ $first = 1 ]; then settle_etc; add_trees; fi
  add_binds
  ip link set lo up
  cd "$R"; mkdir -p run/outside; pivot_root . run/outside; cd /
  umount -l /run/outside; rmdir /run/outside
  # In a container systemd leaves this to whoever starts it; without it LoadCredential= with User= ends in EACCES.
  mount --make-rshared /
  if [ "$CONTAINER" = 1 ]; then exec sleep infinity < /dev/null; fi
  exec setpriv --bounding-set=$DROPPED env -i container=boot-systemd LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --show-status=0 --unit=multi-user.target < /dev/null
}

if [ "${1-}" = --inner ]; then
  set -e
  . "$2/conf"
  W=$2/mnt
  become_pid_1
fi

# ---- outer half --------------------------------------------------------------

ROOT=/ KEEP='' TREE=() BIND=() ENVV=() CONTAINER=0 VERBOSE=0 TIMEOUT=600 BOOTTIME=60
while [ $# -gt 0 ]; do
  case $1 in
    --root) [ -d "${2-}" ] || usage "$1 needs a folder, got '${2-}'"; ROOT=$(realpath "$2"); shift 2 ;;
    --tree) [ -d "${2-}" ] || usage "$1 needs a folder, got '${2-}'"; TREE+=("$(realpath "$2")"); shift 2 ;;
    --bind)
      IFS=: read -r h d o <<< "${2-}"
      [ -e "$h" ] && [ -n "$d" ] || usage "--bind needs an existing path, a colon and a path, got '${2-}'"
      BIND+=("$(realpath "$h"):$d${o:+:$o}"); shift 2 ;;
    --keep) [ -d "${2-}" ] || usage "$1 needs a folder, got '${2-}'"; KEEP=$(realpath "$2"); shift 2 ;;
    --env) ENVV+=("${2:?}"); shift 2 ;;
    --container) CONTAINER=1; shift ;;
    --timeout) TIMEOUT=${2:?}; shift 2 ;;
    --boot-timeout) BOOTTIME=${2:?}; shift 2 ;;
    -v) VERBOSE=1; shift ;;
    -h|--help) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    --) shift; break ;;
    -*) usage "unknown option '$1'" ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || usage "no COMMAND given"
[ "$(id -u)" = 0 ] || { say "must be root"; exit 125; }
for t in unshare nsenter setpriv ip mount pivot_root; do
  command -v $t > /dev/null || { say "$t not found (packages util-linux, iproute2)"; exit 125; }
done
[ $CONTAINER = 1 ] || [ -x "$ROOT/lib/systemd/systemd" ] || { say "no systemd in '$ROOT'"; exit 125; }

now() { date +%s%3N; }
T0=$(now); step() { [ $VERBOSE = 0 ] || say "$(($(now) - T0)) ms: $*"; }

CGROOT=$(awk '{ for (i = 7; i <= NF; i++) if ($i == "-" && $(i+1) == "cgroup2") { print $5; exit } }' \
  /proc/self/mountinfo)
[ -n "$CGROOT" ] || { say "no cgroup v2 mount on this machine"; exit 125; }
# Of a run that was killed with SIGKILL an empty cgroup and folder stay; their names end in its pid.
for d in "$CGROOT"/boot-systemd-*; do
  [ -d "$d" ] && [ ! -d "/proc/${d##*-}" ] && find "$d" -depth -type d -exec rmdir {} + 2>/dev/null
done
WORK=${TMPDIR:-/tmp}
for d in "$WORK"/boot-systemd.??????.*; do
  [ -d "$d" ] && [ -O "$d" ] && [ ! -d "/proc/${d##*.}" ] &&
    { rm -f "$d/conf" "$d/log"; rmdir "$d/mnt" "$d" 2>/dev/null; }
done
CG=$CGROOT/boot-systemd-$$
W='' UP='' PID1='' PAY='' WATCH=''
cleanup() {
  trap '' INT TERM HUP
  local p
  [ -n "$WATCH" ] && kill "$WATCH" 2>/dev/null
  for p in $PID1 $UP $PAY; do kill -KILL "$p" 2>/dev/null; done
  wait 2>/dev/null
  for _ in $(seq 100); do
    [ -d "$CG" ] || break
    find "$CG" -depth -type d -exec rmdir {} + 2>/dev/null
    [ -d "$CG" ] && sleep 0.02
  done
  [ -d "$CG" ] && say "warning: cgroup $CG is still in use"
  if [ -n "$W" ]; then rm -f "$W/conf" "$W/log"; rmdir "$W/mnt" "$W" 2>/dev/null; fi
  step "torn down"
}
trap cleanup EXIT
trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
W=$(mktemp -d --suffix=".$$" "$WORK/boot-systemd.XXXXXX") || exit 125
mkdir "$W/mnt"
enter() { nsenter -t "$PID1" -m -u -i -n -p -C -- "$@"; }
fail() {
  say "could not boot: $*"
  [ -s "$W/log" ] && sed 's/^/  | /' "$W/log" >&2
  if [ -n "$PID1" ] && [ -d "/proc/$PID1" ] && [ $CONTAINER = 0 ]; then
    { enter timeout 5 journalctl -b --no-pager -n 40; enter timeout 5 systemctl list-jobs --no-pager; } 2>/dev/null |
      sed 's/^/  | /' >&2
  fi
  exit 125
}

declare -p ROOT KEEP CONTAINER TREE BIND > "$W/conf"
mkdir "$CG" "$CG/payload" || fail "cannot make a cgroup in $CGROOT"
# The shell that becomes unshare joins the new cgroup first, so that the new cgroup namespace is rooted there and
# systemd sees it as its own root.
( echo "$BASHPID" > "$CG/cgroup.procs" &&
  exec setpriv --pdeathsig KILL unshare --pid --mount --uts --ipc --cgroup --net \
    --fork --kill-child=KILL bash "$0" --inner "$W" ) < /dev/null > "$W/log" 2>&1 &
UP=$!

is_up() {
  local comm
  comm=$(cat "/proc/$PID1/comm" 2>/dev/null)
  if [ $CONTAINER = 1 ]; then [ "$comm" = sleep ]
  else [ "$comm" = systemd ] && [ -S "/proc/$PID1/root/run/systemd/private" ]; fi
}
deadline=$(($(now) + BOOTTIME * 1000))
until [ -n "$PID1" ] && is_up; do
  kill -0 "$UP" 2>/dev/null || fail "the namespaces ended at once"
  [ -n "$PID1" ] || PID1=$(tr -d ' ' 2>/dev/null < "/proc/$UP/task/$UP/children")
  [ "$(now)" -lt $deadline ] || fail "PID 1 did not answer within $BOOTTIME s"
  sleep 0.01
done
step "PID 1 answers (pid $PID1)"
STATE=container
if [ $CONTAINER = 0 ]; then
  left=$(((deadline - $(now)) / 1000 + 1))
  STATE=$(SYSTEMD_LOG_LEVEL=err enter timeout $left systemctl is-system-running --wait 2>/dev/null)
  case $STATE in
    running) ;;
    degraded) say "degraded: $(enter systemctl --failed --plain --no-legend | awk '{ printf "%s ", $1 }')" ;;
    *) fail "state '$STATE' after $BOOTTIME s" ;;
  esac
fi
step "state $STATE"

# In the background, so that a signal to this script is acted on at once.
exec 3<&0
(
  echo "$BASHPID" > "$CG/payload/cgroup.procs"
  exec env BOOT_STATE="$STATE" SYSTEMD_PAGER=cat SYSTEMD_COLORS=0 ${ENVV[@]+"${ENVV[@]}"} \
    timeout --foreground -k 2 "$TIMEOUT" nsenter -t "$PID1" -m -u -i -n -p -C -- \
    setpriv --bounding-set=$DROPPED sh -c 'cd "$1" 2>/dev/null || cd /; shift; exec "$@"' sh "$PWD" "$@"
) <&3 3<&- &
PAY=$!
exec 3<&-
# nsenter stops itself when its child is stopped, as systemd does to all processes at shutdown; unless woken, a COMMAND
# that powers off would hang.
(
  while read -rd '' _ < "/proc/$PAY/cmdline"; do   # a zombie has none
    for p in $(cat "/proc/$PAY/task/$PAY/children"); do
      case $(cat "/proc/$p/stat") in *') T '*) kill -CONT "$p" ;; esac
    done
    sleep 0.2
  done
) < /dev/null > /dev/null 2>&1 &
WATCH=$!
wait "$PAY"
RC=$?
step "command ended with status $RC"
exit $RC
