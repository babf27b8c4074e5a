# by_hand.sh OPTIONS…: whether a restore with these options comes to its target; each argument is the options of one, separated by |.
# Prints a line for each: REACHED, or NOT with the last that was said.
set -uo pipefail
configure 'archive_mode = off' 'autovacuum = off' 'fsync = off'

reach() {
  rm -rf "$PGDATA" && mkdir -m 700 "$PGDATA"
  pgbackrest --stanza=db --pg1-path="$PGDATA" --target-action=promote --log-level-console=warn "$@" restore || return
  recover || return
  pg_ctl -m immediate -w stop >/dev/null
}

for options; do
  IFS='|' read -ra given <<<"$options"
  if said=$(reach "${given[@]}" 2>&1); then echo REACHED; else echo "NOT $(grep -E 'FATAL|ERROR' <<<"$said" | tail -n 1)"; fi
done
