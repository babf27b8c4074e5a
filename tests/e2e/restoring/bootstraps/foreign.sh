# foreign.sh: a database outside Kubernetes, with pgBackRest as somebody set it up: its stanza has a name of its own. Backed up, and archived to
# the row that was written last.
set -euo pipefail
pgbackrest() { command pgbackrest --stanza=shop-main --pg1-path="$PGDATA" --pg1-socket-path="$PGHOST" "$@"; }
initdb -k -U postgres "$PGDATA" >/dev/null
configure 'archive_mode = on' "archive_command = 'pgbackrest --stanza=shop-main --pg1-path=$PGDATA archive-push \"%p\"'"
pgbackrest --no-online stanza-create
recover
sql() { psql -qXAt -v ON_ERROR_STOP=1 -U postgres postgres; }
echo 'create table t (n int)' | sql
pgbackrest --type=full --start-fast --pg1-user=postgres backup
echo "insert into t values (7); select pg_switch_wal()" | sql
pg_ctl -m fast -w stop >/dev/null
