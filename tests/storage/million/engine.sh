# A database whose WAL begins behind a million segments: a full backup, and twenty segments more, compressed
# as those of our clusters are. Prints nothing of use.
set -eu
export PGDATA=/pgdata/pg PGHOST=/tmp/postgres TZ=UTC
mkdir -p /tmp/postgres
initdb -k --wal-segsize="$SEGMENT_MB" >/dev/null
# Segment number 1,000,001: 256 of 16 MB make a log of 4 GB.
pg_resetwal -l 0000000100000F4200000041 "$PGDATA" >/dev/null
cat >>$PGDATA/postgresql.conf <<'C'
listen_addresses=''
unix_socket_directories='/tmp/postgres'
archive_mode=on
archive_command='pgbackrest --stanza=db --compress-type=zst archive-push "%p"'
C
pg_ctl -w -t 120 -l /tmp/postgres.log start >/dev/null
sql() { psql -qXAt -v ON_ERROR_STOP=1 postgres; }
pgbackrest --stanza=db stanza-create
echo "create table t(a text)" | sql
pgbackrest --stanza=db --repo=1 --type=full --archive-timeout=60 backup
for _ in $(seq 20); do
    # Full segments: scanning an empty one costs nothing.
    name=$(echo "insert into t select md5(i::text) from generate_series(1, 90000) i; select pg_walfile_name(pg_switch_wal())" | sql)
    until [ "$(echo "select coalesce(last_archived_wal >= '$name', false) from pg_stat_archiver" | sql)" = t ]; do sleep 0.1; done
done
pg_ctl -m fast -w stop >/dev/null
