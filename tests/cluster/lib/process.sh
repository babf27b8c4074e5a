# shellcheck shell=bash
# The cluster's own mount, network and process namespaces, and the processes in them.
# One process (the keeper) is process 1 of the process namespace: when it ends, by whatever
# cause, the kernel ends all others, and their mounts and network go with them. So a cluster
# is either wholly there or wholly gone, and nothing is ever found by a process's name.

KEEPER=$STATE/run/keeper

# Prints the keeper's process id, if it is the very process that was recorded
# (same start of the machine, same start of the process).
keeper_pid() {
  local pid start boot
  [ -f "$KEEPER" ] || return 1
  read -r pid start boot <"$KEEPER" || return 1
  [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] || return 1
  [ "$(start_time "$pid")" = "$start" ] || return 1
  echo "$pid"
}

# The 22nd field of stat; the second field may hold blanks, so count after its closing bracket.
start_time() {
  local stat rest
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
  rest=${stat##*) }
  # shellcheck disable=SC2086
  set -- $rest
  echo "${20}"
}

keeper_start() {
  mkdir -p "$STATE/run" /var/lib/cni
  rm -f "$KEEPER"
  setsid unshare --mount --net --pid --fork --propagation slave -- \
    bash "$CLUSTER_DIR/lib/keeper" "$KEEPER" "$PAUSE" </dev/null >"$STATE/run/keeper.log" 2>&1 9>&- &
  disown
  for _ in $(seq 100); do
    if keeper_pid >/dev/null; then return 0; fi
    sleep 0.05
  done
  cat "$STATE/run/keeper.log" >&2
  echo "cannot make namespaces: this needs root with CAP_SYS_ADMIN" >&2
  return 1
}

keeper_stop() {
  local pid
  if pid=$(keeper_pid); then
    kill -KILL "$pid"
    for _ in $(seq 200); do
      [ -n "$(start_time "$pid")" ] || break
      sleep 0.05
    done
  fi
  rm -rf "$STATE/run"
  remove_cgroups
}

# Runs a command in the cluster's mount, network and process namespaces.
inside() {
  local pid
  pid=$(keeper_pid) || { echo "the cluster is not running" >&2; return 1; }
  nsenter -t "$pid" -m -n -p -- "$@"
}

# start NAME COMMAND…: a process that outlives this script, with its output in $STATE/logs.
# Does nothing when it runs already.
start() {
  local name=$1
  shift
  ! alive "$name" || return 0
  mkdir -p "$STATE/logs"
  rm -f "$STATE/run/$name.pid"
  # It records itself before it becomes the program: there is no moment at which it runs
  # and is not known, wherever this script is killed.
  # shellcheck disable=SC2016
  inside env -u NOTIFY_SOCKET bash -c '
    name=$1 state=$2; shift 2
    setsid bash -c '\''
      record=$1; shift
      stat=$(<"/proc/$$/stat"); rest=(${stat##*) })
      echo "$$ ${rest[19]}" >"$record.part" && mv "$record.part" "$record.pid" && exec "$@"
    '\'' "$name" "$state/run/$name" "$@" >>"$state/logs/$name.log" 2>&1 </dev/null &
  ' start "$name" "$STATE" "$@" 9>&-
  for _ in $(seq 200); do
    [ ! -f "$STATE/run/$name.pid" ] || return 0
    sleep 0.02
  done
  echo "$name did not start: see $STATE/logs/$name.log"
  return 1
}

# Is the process of that name the one that was recorded? Its id is one of the inner namespace.
alive() {
  [ -f "$STATE/run/$1.pid" ] || return 1
  # shellcheck disable=SC2016
  inside bash -c '
    read -r pid start <"$1" && stat=$(<"/proc/$pid/stat") 2>/dev/null || exit 1
    rest=(${stat##*) }); [ "${rest[19]}" = "$start" ] && [ "${rest[0]}" != Z ]' alive "$STATE/run/$1.pid" 2>/dev/null
}

# stop NAME: ends one process and waits for its end.
stop() {
  local pid
  alive "$1" || { rm -f "$STATE/run/$1.pid"; return 0; }
  read -r pid _ <"$STATE/run/$1.pid"
  inside bash -c "kill $pid 2>/dev/null"
  for _ in $(seq 100); do
    alive "$1" || break
    sleep 0.05
  done
  ! alive "$1" || inside bash -c "kill -KILL $pid"
  rm -f "$STATE/run/$1.pid"
}

# until_true SECONDS WHAT COMMAND…
until_true() {
  local limit=$1 what=$2 end
  shift 2
  end=$((SECONDS + limit))
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      echo "waited ${limit}s for $what; the last answer:"
      "$@" || true
      return 1
    fi
    sleep 0.1
  done
}

CGROUP_NAME=holdfast-$(printf '%s' "$STATE" | cksum | cut -d' ' -f1)
cgroup_roots() { awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/mounts | sort -u; }

make_cgroups() {
  local root
  for root in $(cgroup_roots); do mkdir -p "$root/$CGROUP_NAME" 2>/dev/null || true; done
}

remove_cgroups() {
  local root
  for root in $(cgroup_roots); do
    [ -d "$root/$CGROUP_NAME" ] || continue
    for _ in $(seq 40); do
      find "$root/$CGROUP_NAME" -depth -type d -exec rmdir {} + 2>/dev/null || true
      [ -d "$root/$CGROUP_NAME" ] || break
      sleep 0.05
    done
  done
}
