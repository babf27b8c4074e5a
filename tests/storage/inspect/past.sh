# A database with a past: backups, and two restores to points in time, which made timelines 2 and 3. Prints `LAST
# <timeline> <time>`, the last commit of each timeline in the archive as pg_waldump sees it, in microseconds since 1970.
set -eu
export PGDATA=/pgdata/pg PGHOST=/tmp/postgres TZ=UTC
mkdir -p /tmp/postgres /tmp/wal
initdb -k --wal-segsize="$SEGMENT_MB" >/dev/null
cat >>$PGDATA/postgresql.conf <<'C'
listen_addresses=''
unix_socket_directories='/tmp/postgres'
archive_mode=on
archive_command='pgbackrest --stanza=db archive-push "%p"'
C
start() { pg_ctl -w -t 120 -l /tmp/postgres.log start >/dev/null; }
sql() { psql -qXAt -v ON_ERROR_STOP=1 postgres; }
archived() {
    name=$(echo "select pg_walfile_name(pg_switch_wal() - 1)" | sql)
    # After a push that failed three times PostgreSQL pauses for a minute.
    for _ in $(seq 1800); do
        done=$(echo "select coalesce(last_archived_wal >= '$name', false) from pg_stat_archiver" | sql)
        [ "$done" = f ] || return 0
        sleep 0.1
    done
    echo "not archived: $name"; exit 1
}
work() {
    for i in $(seq "$1"); do
        echo "insert into t values ($i)" | sql
        archived
    done
}
backup() { pgbackrest --stanza=db --archive-timeout=60 "$@" backup; }
back_to() {
    pg_ctl -m fast -w stop >/dev/null
    pgbackrest --stanza=db --repo=1 --delta --type=time "--target=$1" --target-action=promote restore
    start
    for _ in $(seq 1800); do
        [ "$(echo 'select pg_is_in_recovery()' | sql)" = t ] || return 0
        sleep 0.1
    done
    echo "still in recovery"; exit 1
}
now() { echo "select clock_timestamp()" | sql; }

pgbackrest version
start
pgbackrest --stanza=db stanza-create
echo "create table t(i int)" | sql
backup --repo=1 --type=full
backup --repo=2 --type=full
work 3
backup --repo=1 --type=incr
work 2
first=$(now)
work 3
back_to "$first"
work 2
backup --repo=1 --type=full
work 2
second=$(now)
work 3
back_to "$second"
work 2
pg_ctl -m fast -w stop >/dev/null

for name in $(pgbackrest --stanza=db --repo=1 --recurse repo-ls archive/db | grep -oE '[0-9A-F]{24}-' | tr -d - | sort -u); do
    pgbackrest --stanza=db --repo=1 archive-get "$name" "/tmp/wal/$name"
done
python3 - <<'P'
import datetime, os, re, subprocess
names = sorted(os.listdir('/tmp/wal'))
epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
for timeline in sorted({name[:8] for name in names}):
    own = [name for name in names if name.startswith(timeline)]
    dump = subprocess.run(['pg_waldump', '-p', '/tmp/wal', own[0], own[-1]], capture_output=True, text=True).stdout
    commits = [line for line in dump.splitlines() if 'rmgr: Transaction' in line and 'desc: COMMIT' in line]
    text = re.findall(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? UTC', commits[-1])[0]
    form = '%Y-%m-%d %H:%M:%S.%f UTC' if '.' in text else '%Y-%m-%d %H:%M:%S UTC'
    time = datetime.datetime.strptime(text, form).replace(tzinfo=datetime.timezone.utc)
    print('LAST', int(timeline, 16), (time - epoch) // datetime.timedelta(microseconds=1), own[-1])
P
