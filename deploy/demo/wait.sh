# shellcheck shell=bash
# Objects of the demo: made from the manifests, waited for, and what is said when they do not come. Sourced by run.

kube() { "${KUBECTL[@]}" -n demo "$@"; }

# filled MANIFEST [KEY=VALUE…]: the manifest with its placeholders filled in; none of them is a secret.
filled() {
  local file=$here/manifests/$1 text pair
  shift
  text=$(<"$file")
  for pair in "BUCKET=$S3_BUCKET" "ENDPOINT=$S3_HOST:$S3_PORT" "REGION=$S3_REGION" "$@"; do
    text=${text//"@${pair%%=*}@"/"${pair#*=}"}
  done
  printf '%s\n' "$text"
}

# What an earlier demo left: first the writers, then what they wrote. Another system identifier would be refused there.
forget() {
  "${KUBECTL[@]}" delete namespace demo --ignore-not-found --timeout=120s </dev/null
  rm -rf "${S3_DATA_DIR:?}/${S3_BUCKET:?}/demo"
}

# The Secret of a cluster's repository, from standard input, so that no key is ever an argument.
credentials() {
  local indent='    '
  {
    printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: %s-repo1}\nstringData:\n  s3.conf: |\n' "$1"
    printf '    [global]\n    repo1-s3-key=%s\n    repo1-s3-key-secret=%s\n' "$S3_ACCESS_KEY" "$S3_SECRET_KEY"
    [ "$1" != encrypted ] || printf '    repo1-cipher-pass=%s\n' "$(openssl rand -hex 24)"
    printf '  ca.crt: |\n'
    sed "s/^/$indent/" "$CA_FILE"
  } | kube apply -f - >/dev/null
}

cluster_is_ready() {
  local from=$SECONDS watcher
  # What happens meanwhile, on screen. No function and no pipe, so that $! is kubectl itself.
  "${KUBECTL[@]}" -n demo get pg "$1" -w --no-headers </dev/null 2>/dev/null > >(exec sed -u 's/^/    /') &
  watcher=$!
  kube wait --for=create --timeout=20s "pg/$1" </dev/null >/dev/null
  kube wait --for=condition=ReadyForBackup --timeout=300s "pg/$1" </dev/null >/dev/null || not_ready "$1"
  kube wait --for=jsonpath='{.status.state}'=ready --timeout=300s "pg/$1" </dev/null >/dev/null || not_ready "$1"
  kill "$watcher" 2>/dev/null || true
  wait "$watcher" 2>/dev/null || true
  printf '  %s is ready after %ds\n' "$1" "$((SECONDS - from))"
}

not_ready() {
  conditions "pg/$1" >&2
  kube get pods >&2 </dev/null
  fail "the cluster $1 did not become ready; what it says of itself is above"
}

conditions() {
  kube get "$1" -o json </dev/null | jq -r '.status.conditions[]? | "    \(.type)=\(.status) \(.reason): \(.message)"'
}

# follow KIND NAME PROGRESS LIMIT: a backup or a restore to its end, a line whenever something about it changed.
follow() {
  local from=$SECONDS object=pg-$1/$2 state='' progress line last='' watcher
  kube wait --for=create --timeout=120s "$object" </dev/null >/dev/null || fail "there is no $1 $2"
  coproc WATCH { exec timeout "$4" "${KUBECTL[@]}" -n demo get "$object" -w \
    -o jsonpath="{.status.state}{\"|\"}{.status.progress.$3}{\"\n\"}" </dev/null; }
  # shellcheck disable=SC2153
  watcher=$WATCH_PID
  while IFS='|' read -r -u "${WATCH[0]}" state progress; do
    line="${state:-Waiting}${progress:+  $progress}"
    [ "$line" = "$last" ] || printf '    %3ds  %s: %s\n' "$((SECONDS - from))" "$2" "$line"
    last=$line
    case $state in Succeeded | Failed) break ;; esac
  done
  kill "$watcher" 2>/dev/null || true
  wait "$watcher" 2>/dev/null || true
  # The watch may also have ended by its time; the object decides.
  [ "$state" = Succeeded ] || [ "$(kube get "$object" -o jsonpath='{.status.state}' </dev/null)" = Succeeded ] || {
    kube get "$object" -o jsonpath='{.status.error}{"\n"}' </dev/null >&2
    conditions "$object" >&2
    [ "$1" = restore ] || kube get pods,jobs >&2 </dev/null
    fail "the $1 $2 did not succeed"
  }
}

# job NAME: waits for its end, prints its output.
job_ends() {
  local state
  kube wait --for=create --timeout=20s "job/$1" </dev/null >/dev/null
  for _ in $(seq 120); do
    # Either of two ends; `kubectl wait` knows one at a time.
    state=$(kube wait --for=condition=Complete --timeout=2s "job/$1" </dev/null 2>/dev/null || kube get "job/$1" -o \
      jsonpath='{.status.conditions[?(@.type=="Failed")].message}' </dev/null)
    [ -z "$state" ] || break
  done
  kube logs "job/$1" </dev/null
  [[ $state == *"condition met"* ]] || fail "the Job $1 did not succeed: ${state:-no answer in 4 minutes}"
}

# client CLUSTER JOB COMMAND
client() {
  filled client.yaml "CLUSTER=$1" "JOB=$2" "COMMAND=$3" | kube apply -f - >/dev/null
  job_ends "$2" | sed 's/^/    /'
}

stopped() {
  jobs -p | xargs -r kill 2>/dev/null || true
  [ "$1" = 0 ] || printf '\nThe demo failed after %ds. Its namespace is left as it is: tests/cluster/in kubectl -n demo get all,pg,pg-backup\n' "$SECONDS" >&2
}
