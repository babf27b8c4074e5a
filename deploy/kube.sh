# shellcheck shell=bash
# Which cluster the scripts here talk to: the one of KUBECONFIG, else the test cluster if it runs, else kubectl's own choice.
# Sourced, never run. Use: "${KUBECTL[@]}" get pods

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
HOLDFAST_CACHE=${HOLDFAST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/holdfast}
WHERE=own
KUBECTL=(kubectl)
if [ -n "${KUBECONFIG:-}" ]; then
  WHERE=KUBECONFIG
elif [ -x "$root/tests/cluster/in" ] && "$root/tests/cluster/in" true 2>/dev/null; then
  WHERE=test
  # -i: manifests come from standard input. A command that is not given one must not take the script's.
  KUBECTL=("$root/tests/cluster/in" -i kubectl)
fi
export HOLDFAST_CACHE WHERE

fail() {
  printf '\nERROR: %s\n' "$*" >&2
  exit 1
}

# Says what is done, and then how long it took.
timed() {
  local title=$1 from=$SECONDS
  shift
  printf '  %-46s' "$title" >&2
  "$@"
  printf ' %4ds\n' "$((SECONDS - from))" >&2
}
