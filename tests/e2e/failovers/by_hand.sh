# by_hand.sh WORK RESTORE-OPTION…: what an administrator without an operator does. Restores into an empty directory, starts
# PostgreSQL there, and prints what is in the table. With WORK=more it goes on as a new primary: archives, and commits two rows.
set -euo pipefail
work=$1
shift
mkdir -m 700 -p "$PGDATA"
pgbackrest --stanza=db --pg1-path="$PGDATA" --target-action=promote "$@" restore

configure "archive_mode = $([ "$work" = more ] && echo on || echo off)" 'autovacuum = off' \
  "archive_command = 'pgbackrest --stanza=db --pg1-path=$PGDATA archive-push \"%p\"'"
recover
sql() { psql -qXAt -v ON_ERROR_STOP=1 -U postgres postgres; }

archived() {
  local segment
  segment=$(echo 'select pg_walfile_name(pg_switch_wal() - 1)' | sql)
  for _ in $(seq 600); do
    [ "$(echo "select coalesce(last_archived_wal >= '$segment', false) from pg_stat_archiver" | sql)" = f ] || return 0
    sleep 0.1
  done
  echo "not archived: $segment"
  exit 1
}
timeline=$(echo "select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int" | sql)
if [ "$work" = more ]; then
  for row in $((timeline * 1000 + 1)) $((timeline * 1000 + 2)); do
    echo "BEFORE $(echo 'select pg_current_wal_lsn()' | sql)"
    echo "insert into written values ($row)" | sql
    echo "BETWEEN $(echo 'select clock_timestamp()' | sql)"
    archived
  done
fi
echo "TIMELINE $timeline"
echo "ROWS $(echo "select string_agg(n::text, ' ' order by n) from written" | sql)"
pg_ctl -m fast -w stop >/dev/null
