# shellcheck shell=bash
# Paths, screen output and the lock that every script of the test cluster shares.
# Sourced, never run. All state lives under the cache, nothing in the checkout.

CLUSTER_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
REPO_DIR=$(cd "$CLUSTER_DIR/../.." && pwd)
CACHE=${HOLDFAST_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/holdfast}
STATE=$CACHE/cluster
LOGS=$CACHE/log
IMAGES=$CACHE/images
# shellcheck source=tests/cluster/versions.env
. "$CLUSTER_DIR/versions.env"
export CLUSTER_DIR REPO_DIR CACHE STATE LOGS IMAGES

# Addresses inside the cluster's network namespace. Nothing of it is visible outside.
NODE_NAME=node0
NODE_IP=10.99.0.1
S3_IP=10.99.0.11
AZURE_IP=10.99.0.12
GCS_IP=10.99.0.13
SERVICE_CIDR=10.96.0.0/16
POD_CIDR=10.244.0.0/16
export NODE_NAME NODE_IP S3_IP AZURE_IP GCS_IP SERVICE_CIDR POD_CIDR

say() { printf '%s\n' "$*" >&2; }

die() {
  printf '\nERROR: %s\n' "$*" >&2
  exit 1
}

# One step of a long command: its name, the time it took, its output in a log file.
# Runs in a child process, so that `set -e` holds inside it.
step() {
  local title=$1 name log started pid code=0 shown=0 seconds
  shift
  name=${title//[^A-Za-z0-9.]/-}
  mkdir -p "$LOGS"
  log=$LOGS/$name.log
  started=$SECONDS
  printf '  %-46s' "$title" >&2
  ( set -euo pipefail; "$@" ) >"$log" 2>&1 </dev/null &
  pid=$!
  # shellcheck disable=SC2064
  trap "kill $pid 2>/dev/null || true" EXIT
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    seconds=$((SECONDS - started))
    if ((seconds >= shown + 15)); then
      shown=$seconds
      printf '\n    … %4ds  %s' "$seconds" "$(last_line "$log")" >&2
    fi
  done
  wait "$pid" || code=$?
  trap - EXIT
  seconds=$((SECONDS - started))
  if ((code != 0)); then
    printf ' failed after %ds\n' "$seconds" >&2
    tail -n 25 "$log" >&2
    die "the step \"$title\" failed (exit $code); its whole output is in $log. Run the same command again to resume."
  fi
  ((shown == 0)) || printf '\n    %-44s' '' >&2
  printf ' %4ds\n' "$seconds" >&2
}

last_line() {
  tail -n 1 "$1" 2>/dev/null | tr -d '\r' | cut -c1-90
}

# One run at a time per cache. The lock ends with the processes that hold it, however they end.
lock() {
  local name=$1
  mkdir -p "$CACHE"
  exec 9>>"$CACHE/$name.lock"
  if ! flock -n 9; then
    say "waiting for another run that holds $CACHE/$name.lock (process $(cat "$CACHE/$name.lock.pid" 2>/dev/null || echo unknown))"
    flock 9
  fi
  echo $$ >"$CACHE/$name.lock.pid"
}

# Writes standard input to a file at once: never half a file, and no change of an equal one.
put() {
  local target=$1 part=$1.part.$$
  mkdir -p "$(dirname "$target")"
  cat >"$part"
  if [ -f "$target" ] && cmp -s "$part" "$target"; then rm -f "$part"; else mv -f "$part" "$target"; fi
}

have() { command -v "$1" >/dev/null 2>&1; }
