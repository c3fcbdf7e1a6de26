#!/usr/bin/env bash
# Tries the README's commands on a fresh machine: a minimal Debian root that contains only what the
# README asks for, entered with chroot, once as root and once as an ordinary user with sudo. Prints
# how long each part took.
#
#   sudo ROUNDS="root user" COMMANDS="demo test" cmake/fresh_machine.sh
#
# Rules. What is tried is a `git clone` of the committed tree, with empty caches. Each round makes
# its own root with mmdebstrap. The host provides /proc, /dev and its network settings (apt's
# sources and proxies, pip's settings, certificates, resolv.conf), nothing else. Everything inside
# runs in its own mount and process namespaces: /dev and /proc are bound only there and vanish with
# the last process, so removing the root can never reach the host's. An interrupt ends everything. A
# part that fails prints the end of its log, and the exit status is 1.
#
# Environment: ROUNDS, COMMANDS (make's targets), KEEP=1 (keep the roots), MIRROR (Debian's, for a
# host that is not bookworm), LAIT_BUILD (the folder for logs and roots: its fresh-machine/, 15 GB
# free).
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=${LAIT_BUILD:-$repository/build}/fresh-machine
suite=bookworm
packages=g++,make,git,python3,python3-venv,ca-certificates
read -ra rounds <<<"${ROUNDS:-root user}"
read -ra commands <<<"${COMMANDS:-demo test}"

say() { printf 'fresh-machine: %s\n' "$*"; }
fail() {  # fail WHAT WAY_OUT
  printf 'fresh-machine: %s\n               what to do: %s\n' "$1" "$2" >&2
  exit 1
}
clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# ---- running and timing

rows=()  # the final table: round|command|part|seconds|result
root=    # the root of the current round
pid=     # what runs in the namespaces
fd=      # its output

# The part of a command that starts with this line of its output, empty if none: set-up's steps, the
# build, the demo's steps, the tests.
part_of() {
  local title=$1
  case $title in
    'setup:  '*) ;;
    'setup: '*) title=${title#setup: }; echo "set-up: ${title%%:*}" ;;
    '['[0-9]*/*']'* | 'Preset CMake'*) echo build ;;
    '== '[0-9]' of '*)
      title=${title#== }
      ((${#title} <= 46)) || title=${title:0:45}…
      echo "$title"
      ;;
    'Test project '*) echo 'the tests' ;;
  esac
}

# run ROUND NAME COMMAND...: runs the command in the namespaces. Its output goes to a log, each line
# after the seconds since the start; each part that the output names gets a row, and the whole gets
# one. Returns the command's status.
run() {
  local round=$1 name=$2 part='' start=$SECONDS since=$SECONDS said=$SECONDS
  local status=0 line last='' got next log
  log=$folder/$round-${name//[^A-Za-z]/-}.log
  shift 2
  : >"$log"
  say "$round: $name"
  exec {fd}< <(exec unshare --mount --pid --fork --kill-child --propagation private -- "$@" \
    </dev/null 2>&1)
  pid=$!
  while true; do
    got=0
    IFS= read -r -t 60 -u "$fd" line || got=$?
    ((got == 0 || got > 128)) || break  # over 128: a minute without a line
    if ((got == 0)); then
      printf '%5d  %s\n' $((SECONDS - start)) "$line" >>"$log"
      [[ $line =~ ^[[:space:]]*$ ]] || last=$line
      next=$(part_of "$line")
      if [[ -n $next && $next != "$part" ]]; then
        [[ -z $part ]] || rows+=("$round|$name|$part|$((SECONDS - since))|")
        part=$next since=$SECONDS said=$SECONDS
        say "$round: $(clock $((SECONDS - start))) $part"
      fi
    fi
    if ((SECONDS - said >= 60)); then
      said=$SECONDS
      say "$round: $(clock $((SECONDS - start))) ${part:-$name} … ${last:0:60}"
    fi
  done
  exec {fd}<&-
  wait "$pid" || status=$?
  pid='' next=''
  ((status == 0)) || next="failed with status $status"
  [[ -z $part ]] || rows+=("$round|$name|$part|$((SECONDS - since))|$next")
  rows+=("$round|$name|all|$((SECONDS - start))|$next")
  ((status != 0)) || return 0
  tail -n 25 "$log" | sed 's/^/  | /' >&2
  say "$round: $name $next; the lines above are the end of $log" >&2
  return "$status"
}

stop() {  # end what runs, wait until the last of it is gone (it holds the pipe), remove the root
  trap - EXIT INT TERM HUP
  if [[ -n $pid ]]; then
    kill -KILL "$pid" 2>/dev/null || true  # --kill-child: and with it everything in the namespaces
    cat <&"$fd" >/dev/null 2>&1 || true
  fi
  remove_root
}

remove_root() {
  [[ -n $root && -d $root ]] || return 0
  if [[ ${KEEP:-0} == 1 ]]; then
    say "the root stays: $root"
  else
    rm -rf --one-file-system "$root"
  fi
}

# ---- a fresh machine

# Where apt fetches Debian from: the host's sources if it is the same Debian, otherwise a mirror.
sources() {
  local file
  if [[ -n ${MIRROR:-} ]] || ! grep -qx "VERSION_CODENAME=$suite" /etc/os-release; then
    echo "${MIRROR:-http://deb.debian.org/debian}"
    return
  fi
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}; do
    if [[ -s $file ]]; then echo "$file"; fi
  done
}

# A command's environment: that of an ordinary login, and the host's proxies and pip settings.
environment() {  # environment USER HOME
  local name value
  printf '%s\n' "HOME=$2" "USER=$1" "LOGNAME=$1" SHELL=/bin/bash LANG=C.UTF-8 TERM=dumb \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  for name in $(compgen -e); do
    value=${!name}
    case ${name^^} in
      # No folder of the host's.
      PIP_*) if [[ $value != /* || -e $root$value ]]; then printf '%s=%s\n' "$name" "$value"; fi ;;
      HTTP_PROXY | HTTPS_PROXY | FTP_PROXY | ALL_PROXY | NO_PROXY)
        printf '%s=%s\n' "$name" "$value"
        ;;
    esac
  done
}

lend_settings() {  # lend_settings HOME: of apt (what mmdebstrap did not copy), pip and the network
  local file
  for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do
    if [[ -e $file ]]; then cp -L "$file" "$root$file"; fi
  done
  cp -r /etc/apt/auth.conf* "$root/etc/apt/" 2>/dev/null || true
  for file in .config/pip .pip; do
    [[ -d $HOME/$file ]] || continue
    mkdir -p "$root$1/$file"
    cp -rL "$HOME/$file/." "$root$1/$file/"
  done
  local certificates=/usr/local/share/ca-certificates
  cp -L "$certificates"/*.crt "$root$certificates/" 2>/dev/null || true
  chroot "$root" update-ca-certificates >/dev/null 2>&1
}

make_machine() {  # make_machine ROUND: sets root; a clone in ~/lait of the round's user
  local round=$1 user=root home=/root include=$packages from
  root=$folder/$round-machine
  rm -rf --one-file-system "$root"
  if [[ $round == user ]]; then user=newcomer home=/home/newcomer include+=,sudo; fi
  mapfile -t from < <(sources)
  apt-config dump | grep -E '^Acquire::(http|https|ftp|Check|Retries|ForceIPv)' |
    grep -v 'Auto-Detect' >"$folder/apt.conf" || true
  run "$round" 'Debian root' mmdebstrap --mode=root --variant=minbase --include="$include" \
    --aptopt="$folder/apt.conf" --dpkgopt=force-unsafe-io "$suite" "$root" "${from[@]}" || return
  # It speeds up making the root; a real machine does not have it.
  rm "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
  mkdir -p "$root$home"
  lend_settings "$home" || return
  git clone -q --no-local "$repository" "$root$home/lait" || return
  if [[ $round == user ]]; then
    chroot "$root" useradd --home-dir "$home" --shell /bin/bash "$user"
    printf '%s ALL=(ALL) NOPASSWD: ALL\nDefaults env_keep += "http_proxy https_proxy no_proxy"\n' \
      "$user" >"$root/etc/sudoers.d/$user"
    chmod 440 "$root/etc/sudoers.d/$user"
    chroot "$root" chown -R "$user:" "$home" || return
  fi
  mapfile -t variables < <(environment "$user" "$home")
}

try_command() {  # try_command ROUND TARGET: `make TARGET` in the root
  local round=$1 user=root home=/root
  if [[ $round == user ]]; then user=newcomer home=/home/newcomer; fi
  # shellcheck disable=SC2016
  # The shell stays the first process in there: a process that has changed its user is not killed
  # with its parent.
  run "$round" "make $2" bash -c '
    set -e
    root=$1; user=$2; folder=$3; target=$4; shift 4
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    chroot --userspec="$user:$user" "$root" env -i "$@" bash -c "cd $folder && exec make $target"
    exit 0
  ' fresh-machine "$root" "$user" "$home/lait" "$2" "${variables[@]}"
}

print_table() {
  local row round name part seconds result
  printf '\n%-5s %-15s %-46s %6s  %s\n' round command part time result
  for row in "${rows[@]}"; do
    IFS='|' read -r round name part seconds result <<<"$row"
    printf '%-5s %-15s %-46s %6s  %s\n' "$round" "$name" "$part" "$(clock "$seconds")" \
      "${result:-done}"
  done
}

main() {
  local name round command free lock failed=0
  for name in "${rounds[@]}"; do
    [[ $name == root || $name == user ]] ||
      fail "ROUNDS: expected root and user, got '$name'" 'make fresh-machine ROUNDS="root user"'
  done
  for name in "${commands[@]}"; do
    [[ $name =~ ^[a-z-]+$ ]] ||
      fail "COMMANDS: expected make targets, got '$name'" 'make fresh-machine COMMANDS="demo test"'
  done
  ((EUID == 0)) ||
    fail "expected to run as root (mmdebstrap, mount, chroot), this is user $(id -un)" \
         "sudo make fresh-machine"
  command -v mmdebstrap >/dev/null ||
    fail "found no mmdebstrap" "apt-get install --no-install-recommends mmdebstrap"
  unshare --mount --pid --fork true 2>/dev/null ||
    fail "this root may not make namespaces (a container?)" \
         "run it on a machine, or in a container with SYS_ADMIN"
  [[ -z $(git -C "$repository" status --porcelain) ]] ||
    say "uncommitted changes are not in the clone that is tried"
  mkdir -p "$folder"
  exec {lock}>"$folder/.lock"
  flock -n "$lock" || fail "another fresh-machine is running in $folder" \
                           "wait for it, or set LAIT_BUILD to another folder"
  free=$(df --output=avail -BG "$folder" | tail -1)
  ((${free//[^0-9]/} >= 15)) || fail "expected 15 GB free for $folder, found ${free// /}" \
                                     "set LAIT_BUILD to a folder on a larger disk"
  trap stop EXIT
  trap 'stop; exit 130' INT
  trap 'stop; exit 143' TERM HUP
  say "$(git -C "$repository" describe --always), $(nproc) cores, logs in $folder"
  for round in "${rounds[@]}"; do
    if make_machine "$round"; then
      for command in "${commands[@]}"; do
        try_command "$round" "$command" || failed=1
      done
    else
      failed=1
    fi
    remove_root
  done
  print_table
  exit "$failed"
}

main
