# by_hand.sh OPTIONS…: whether a restore with these options comes to its target; each argument is the options of one, separated by |.
# Prints a line for each: REACHED, or NOT with the last that was said.
set -uo pipefail
export PGDATA=/pgdata/pg18 PGHOST=/tmp/postgres TZ=UTC
mkdir -m 700 -p "$PGHOST"
# Not the cluster's own files: they name certificates that are not here.
cat >/tmp/postgresql.conf <<X
data_directory = '$PGDATA'
hba_file = '/tmp/pg_hba.conf'
ident_file = '/tmp/pg_ident.conf'
listen_addresses = ''
unix_socket_directories = '$PGHOST'
autovacuum = off
hot_standby = off
wal_level = logical
archive_mode = off
fsync = off
X
echo 'local all all trust' >/tmp/pg_hba.conf
: >/tmp/pg_ident.conf

reach() {
  rm -rf "$PGDATA" && mkdir -m 700 "$PGDATA"
  pgbackrest --stanza=db --pg1-path="$PGDATA" --target-action=promote --log-level-console=warn "$@" restore || return
  pg_ctl -w -t 120 -o '-c config_file=/tmp/postgresql.conf' -l /tmp/postgres.log start >/dev/null || { grep FATAL /tmp/postgres.log; return 1; }
  # Until the end of recovery nobody may connect, and a recovery that fails ends the server.
  until psql -qXAt -U postgres -c 'select 1' postgres >/dev/null 2>&1; do
    pg_ctl status >/dev/null || { grep FATAL /tmp/postgres.log; return 1; }
    sleep 0.1
  done
  pg_ctl -m immediate -w stop >/dev/null
}

for options; do
  IFS='|' read -ra given <<<"$options"
  : >/tmp/postgres.log
  if said=$(reach "${given[@]}" 2>&1); then echo REACHED; else echo "NOT ${said##*$'\n'}"; fi
done
