# A PostgreSQL with every kind of load, archived and backed up by a real pgBackRest into two repositories: repo1 is
# plain, repo2 encrypted, bundled and block incremental. Prints `WAL <segment> <commits> <first lsn> <first time>
# <last lsn> <last time>` as pg_waldump sees it; positions are decimal, times are microseconds since 1970.
set -eu
export PGDATA=/pgdata/pg PGHOST=/tmp/postgres TZ=UTC
mkdir -p /tmp/postgres
initdb -k --wal-segsize="$SEGMENT_MB" >/dev/null
cat >>$PGDATA/postgresql.conf <<'C'
listen_addresses=''
unix_socket_directories='/tmp/postgres'
archive_mode=on
archive_command='pgbackrest --stanza=db --compress-type=$(cat /tmp/compress-type) archive-push "%p"'
max_prepared_transactions=10
wal_level=logical
wal_keep_size=4GB
C
echo none >/tmp/compress-type
pg_ctl -w -l /tmp/postgres.log start >/dev/null
pgbackrest --stanza=db stanza-create
sql() { psql -qXAt -v ON_ERROR_STOP=1 postgres; }
# Less one byte: where nothing had to be switched, the position is the first of a segment that nobody writes to.
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
sql <<'S'
create table t(i int, x text);
create table big as select g, repeat(md5(g::text), 10) x from generate_series(1, 20000) g;
S
for compression in none gz bz2 lz4 zst; do
    archived
    echo $compression >/tmp/compress-type
    sql <<'S'
do $$ begin for i in 1..1500 loop insert into t values (i, md5(i::text)); commit; end loop; end $$;
begin; insert into t select g, repeat('x', 500) from generate_series(1, 2000) g; prepare transaction 'a';
begin; insert into t values (1, 'b'); prepare transaction 'b';
commit prepared 'a';
rollback prepared 'b';
begin; insert into t values (2, 'c'); rollback;
do $$ begin for i in 1..500 loop begin insert into t values (i, 's'); exception when others then null; end; end loop; end $$;
do $$ begin for i in 1..60 loop execute format('create table z%s(i int)', i); end loop; end $$;
do $$ begin for i in 1..60 loop execute format('drop table z%s', i); end loop; end $$;
S
    # One switch with a commit before it, and one with none.
    echo "select pg_switch_wal()" | sql >/dev/null
    echo "select pg_logical_emit_message(false, 'm', repeat('m', 3000000)), pg_switch_wal()" | sql >/dev/null
    echo "insert into t values (3, 'd'); begin; insert into t values (4, 'e'); rollback" | sql
done
archived
backup() { pgbackrest --stanza=db --archive-timeout=60 "$@" backup; }
backup --repo=1 --type=full --compress-type=gz
echo "update big set x = md5(x) where g < 100" | sql
backup --repo=1 --type=incr --compress-type=gz
backup --repo=1 --type=full --compress-type=lz4 --repo1-bundle
backup --repo=1 --type=full --compress-type=bz2 --repo1-bundle --repo1-block
backup --repo=2 --type=full --compress-type=zst
echo "update big set x = md5(x) where g < 200" | sql
backup --repo=2 --type=incr --compress-type=zst
backup --repo=2 --type=full --compress-type=gz
archived
last=$(echo "select last_archived_wal from pg_stat_archiver" | sql)
pg_ctl -m fast -w stop >/dev/null
python3 - "$SEGMENT_MB" "$last" <<'P'
import datetime, os, re, subprocess, sys
size, last = int(sys.argv[1]) << 20, sys.argv[2]
directory = os.environ['PGDATA'] + '/pg_wal'
names = sorted(n for n in os.listdir(directory) if re.fullmatch('[0-9A-F]{24}', n) and n <= last)
dump = subprocess.run(['pg_waldump', '-p', directory, names[0], names[-1]], capture_output=True, text=True).stdout
line = re.compile(r'rmgr: (\S+).* lsn: ([0-9A-F]+)/([0-9A-F]+), prev \S+ desc: (\S+) (?:\S+: )?(.*)')
epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
records = [line.match(l).groups() for l in dump.splitlines()]
found = {}
for i, (manager, high, low, kind, rest) in enumerate(records):
    if manager != 'Transaction' or kind not in ('COMMIT', 'COMMIT_PREPARED'):
        continue
    lsn = int(high, 16) << 32 | int(low, 16)
    segment = lsn // size
    if i + 1 < len(records):
        # It ends where the next record begins; one that begins behind the header of a segment follows the last byte.
        end = int(records[i + 1][1], 16) << 32 | int(records[i + 1][2], 16)
        segment = end // size - (end % size == 40)
    text = re.search(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? UTC', rest)[0]
    form = '%Y-%m-%d %H:%M:%S.%f UTC' if '.' in text else '%Y-%m-%d %H:%M:%S UTC'
    time = datetime.datetime.strptime(text, form).replace(tzinfo=datetime.timezone.utc)
    micros = (time - epoch) // datetime.timedelta(microseconds=1)
    first = found.setdefault(segment, [0, lsn, micros, lsn, micros])
    found[segment] = [first[0] + 1, first[1], first[2], lsn, micros]
for name in names:
    per_log = (1 << 32) // size
    index = int(name[8:16], 16) * per_log + int(name[16:], 16)
    print('WAL', name, *found.get(index, [0, 0, 0, 0, 0]))
P
