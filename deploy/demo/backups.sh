# shellcheck shell=bash
# Backups of the demo, and the comparison with what pgBackRest itself finds in the bucket. Sourced by run.

# backup CLUSTER NAME TYPE
backup() { filled backup.yaml "CLUSTER=$1" "BACKUP=$2" "TYPE=$3" | kube apply -f -; }

backup_succeeds() { follow backup "$1" summary 300; }

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
