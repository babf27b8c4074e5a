# shellcheck shell=bash
# The mistake of the demo, and the way back. Sourced by run.

# restore CLUSTER NAME TIME
restore() { filled restore.yaml "CLUSTER=$1" "RESTORE=$2" "TIME=$3" | kube apply -f -; }

# Follows a restore to its end: a line whenever something about it changed.
restore_succeeds() {
  local from=$SECONDS state progress line last='' watcher
  kube wait --for=create --timeout=20s "pg-restore/$1" </dev/null >/dev/null
  coproc WATCH { exec timeout 600 "${KUBECTL[@]}" -n demo get "pg-restore/$1" -w \
    -o jsonpath='{.status.state}{"|"}{.status.progress.message}{"\n"}' </dev/null; }
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
  [ "$state" = Succeeded ] || [ "$(kube get "pg-restore/$1" -o jsonpath='{.status.state}' </dev/null)" = Succeeded ] || restore_failed "$1"
  kube get "pg-restore/$1" -o json </dev/null | jq -r '.status | "    from \(.preflight.backup) in \(.preflight.repository), since \(.preflight.why)",
    "    last commit \(.restored.lastCommit // "unknown"), not there any more: \(.restored.discarded // "nothing")",
    "    copied in \(.restored.copySeconds) s, replayed in \(.restored.recoverySeconds) s, taking writes \(.restored.totalSeconds) s after it was asked for"'
}

restore_failed() {
  kube get "pg-restore/$1" -o jsonpath='{.status.error}{"\n"}' </dev/null >&2
  conditions "pg-restore/$1" >&2
  fail "the restore $1 did not succeed"
}
