# restore.sh SET: what somebody without an operator does, tuned: restores the backup into an empty directory, and again with --delta, and lets
# PostgreSQL recover to the end of the WAL each time. Prints the seconds, WHOLE and DELTA, and what PostgreSQL says
# of the replay.
set -euo pipefail
mkdir -m 700 -p "$PGDATA" /pgdata/spool
configure 'archive_mode = on' "archive_command = ''"
get='pgbackrest --stanza=db --repo=1 --pg1-path=/pgdata/pg18 --archive-async --spool-path=/pgdata/spool --process-max=4 archive-get %f "%p"'
since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { print to - from }'; }
restore() { pgbackrest --stanza=db --repo=1 --pg1-path="$PGDATA" --set="$set" --process-max=4 --recovery-option=restore_command="$get" "$@" restore; }
set=$1
begun=$EPOCHREALTIME
restore
recover
echo "WHOLE $(since "$begun")"
grep 'redo done' /tmp/postgres.log
pg_ctl -m fast -w stop >/dev/null
begun=$EPOCHREALTIME
restore --delta
recover
echo "DELTA $(since "$begun")"
pg_ctl -m immediate -w stop >/dev/null
