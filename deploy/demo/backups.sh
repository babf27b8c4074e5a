# shellcheck shell=bash
# Backups of the demo, and the comparison with what pgBackRest itself finds in the bucket. Sourced by run.

# backup CLUSTER NAME TYPE
backup() { filled backup.yaml "CLUSTER=$1" "BACKUP=$2" "TYPE=$3" | kube apply -f -; }

# Follows a backup to its end: a line whenever something about it changed.
backup_succeeds() {
  local from=$SECONDS state progress line last='' watcher
  kube wait --for=create --timeout=120s "pg-backup/$1" </dev/null >/dev/null || fail "there is no backup $1"
  coproc WATCH { exec timeout 300 "${KUBECTL[@]}" -n demo get "pg-backup/$1" -w \
    -o jsonpath='{.status.state}{"|"}{.status.progress.summary}{"\n"}' </dev/null; }
  # shellcheck disable=SC2153
  watcher=$WATCH_PID
  state=''
  while IFS='|' read -r -u "${WATCH[0]}" state progress; do
    line="${state:-Waiting}${progress:+  $progress}"
    [ "$line" = "$last" ] || printf '    %3ds  %s: %s\n' "$((SECONDS - from))" "$1" "$line"
    last=$line
    case $state in Succeeded | Failed) break ;; esac
  done
  kill "$watcher" 2>/dev/null || true
  wait "$watcher" 2>/dev/null || true
  # The watch may also have ended by its time; the object decides.
  [ "$state" = Succeeded ] || [ "$(kube get "pg-backup/$1" -o jsonpath='{.status.state}' </dev/null)" = Succeeded ] || backup_failed "$1"
}

backup_failed() {
  kube get "pg-backup/$1" -o jsonpath='{.status.error}{"\n"}' </dev/null >&2
  conditions "pg-backup/$1" >&2
  kube get pods,jobs >&2 </dev/null
  fail "the backup $1 did not succeed"
}

# witness CLUSTER text|json: `pgbackrest info`, in a pod of its own.
witness() {
  local cipher=none
  [ "$1" != encrypted ] || cipher=aes-256-cbc
  filled witness.yaml "CLUSTER=$1" "JOB=witness-$1-$2" "OUTPUT=$2" "CIPHER=$cipher" | kube apply -f - >/dev/null
  job_ends "witness-$1-$2"
}

# Label, type and size of every backup must be the same in the repository and in the status of the objects.
compare() {
  local repository objects
  repository=$(witness "$1" json | jq -r '.[0].backup[] | [.label, .type, .info.delta] | @tsv' | sort)
  objects=$(kube get pg-backup -o json </dev/null | jq -r --arg cluster "$1" \
    '.items[] | select(.spec.pgCluster == $cluster) | [.status.backupName, .status.backupType, .status.size] | @tsv' | sort)
  printf '  %s: label, type and size of the objects and of the repository\n' "$1"
  sed 's/^/    /' <<<"$objects"
  [ -n "$repository" ] && [ "$repository" = "$objects" ] ||
    fail "the repository of $1 does not hold what the objects say, but:"$'\n'"$repository"
  printf '    equal\n'
}
