# shellcheck shell=bash
# The mistake of the demo, and the way back. Sourced by run.

# restore CLUSTER NAME TIME
restore() { filled restore.yaml "CLUSTER=$1" "RESTORE=$2" "TIME=$3" | kube apply -f -; }

# Follows a restore to its end, and says what it came to.
restore_succeeds() {
  follow restore "$1" message 600
  kube get "pg-restore/$1" -o json </dev/null | jq -r '.status | "    from \(.preflight.backup) in \(.preflight.repository), since \(.preflight.why)",
    "    last commit \(.restored.lastCommit // "unknown"), not there any more: \(.restored.discarded // "nothing")",
    "    copied in \(.restored.copySeconds) s, replayed in \(.restored.recoverySeconds) s, taking writes \(.restored.totalSeconds) s after it was asked for"'
}
