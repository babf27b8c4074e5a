# recovery.sh: what the restores by hand have in common; it stands before each of them. PostgreSQL's files are in PGDATA, its
# configuration is not the cluster's own, which names certificates that are not here.
export PGDATA=/pgdata/pg18 PGHOST=/tmp/postgres TZ=UTC
mkdir -m 700 -p "$PGHOST"

# configure SETTING…: writes it.
configure() {
  cat >/tmp/postgresql.conf <<X
data_directory = '$PGDATA'
hba_file = '/tmp/pg_hba.conf'
ident_file = '/tmp/pg_ident.conf'
listen_addresses = ''
unix_socket_directories = '$PGHOST'
hot_standby = off
wal_level = logical
X
  printf '%s\n' "$@" >>/tmp/postgresql.conf
  echo 'local all all trust' >/tmp/pg_hba.conf
  : >/tmp/pg_ident.conf
}

# recover: starts PostgreSQL and waits for the end of recovery; where it fails it prints what was said, and returns 1.
recover() {
  : >/tmp/postgres.log
  if pg_ctl -w -t 600 -o '-c config_file=/tmp/postgresql.conf' -l /tmp/postgres.log start >/dev/null; then
    # Until the end of recovery nobody may connect, and a recovery that fails ends the server.
    while pg_ctl status >/dev/null; do
      if psql -qXAt -U postgres -c 'select 1' postgres >/dev/null 2>&1; then return; fi
      sleep 0.1
    done
  fi
  grep -E 'FATAL|LOG:  (recovery|starting|restored|redo)' /tmp/postgres.log
  return 1
}
