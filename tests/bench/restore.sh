# restore.sh SET: what somebody without an operator does, tuned: restores the backup into an empty directory, and again with --delta, and lets
# PostgreSQL recover to the end of the WAL each time. Prints the seconds: WHOLE, RECOVERY, DELTA.
set -euo pipefail
export PGDATA=/pgdata/pg18 PGHOST=/tmp/postgres TZ=UTC
mkdir -m 700 -p "$PGHOST" "$PGDATA" /pgdata/spool
cat >/tmp/postgresql.conf <<X
data_directory = '$PGDATA'
hba_file = '/tmp/pg_hba.conf'
ident_file = '/tmp/pg_ident.conf'
listen_addresses = ''
unix_socket_directories = '$PGHOST'
hot_standby = off
wal_level = logical
archive_mode = on
archive_command = ''
X
echo 'local all all trust' >/tmp/pg_hba.conf
: >/tmp/pg_ident.conf
get='pgbackrest --stanza=db --repo=1 --archive-async --spool-path=/pgdata/spool --process-max=4 archive-get %f "%p"'
since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { print to - from }'; }
recover() {
  pg_ctl -w -t 600 -o '-c config_file=/tmp/postgresql.conf' -l /tmp/postgres.log start >/dev/null
  until psql -qXAt -U postgres -c 'select 1' postgres >/dev/null 2>&1; do
    pg_ctl status >/dev/null || { cat /tmp/postgres.log; exit 1; }
    sleep 0.1
  done
}
restore() { pgbackrest --stanza=db --repo=1 --pg1-path="$PGDATA" --set="$set" --process-max=4 --recovery-option=restore_command="$get" "$@" restore; }
set=$1
begun=$EPOCHREALTIME
restore
copied=$EPOCHREALTIME
recover
echo "WHOLE $(since "$begun")"
echo "RECOVERY $(since "$copied")"
pg_ctl -m fast -w stop >/dev/null
begun=$EPOCHREALTIME
restore --delta
recover
echo "DELTA $(since "$begun")"
pg_ctl -m immediate -w stop >/dev/null
