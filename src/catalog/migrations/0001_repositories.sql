-- For SQLite and PostgreSQL alike. Times are microseconds since 1970 in UTC, sizes are bytes.
-- Later migrations only add: an older version of Holdfast must be able to go on with a newer schema.
CREATE TABLE holdfast_repositories (
    -- '<namespace>/<cluster>/<repository> <location>'
    place TEXT NOT NULL PRIMARY KEY,
    namespace TEXT NOT NULL,
    cluster TEXT NOT NULL,
    repository TEXT NOT NULL,
    location TEXT NOT NULL,
    first_saved BIGINT NOT NULL,
    saved BIGINT NOT NULL,
    -- What the next look goes on from, as JSON.
    known TEXT NOT NULL,
    -- The last picture, as JSON, and the time of its look, which is not in the JSON.
    picture TEXT,
    looked BIGINT,
    -- Failure and credentials, as JSON.
    standing TEXT NOT NULL
);

CREATE TABLE holdfast_backups (
    place TEXT NOT NULL REFERENCES holdfast_repositories (place) ON DELETE CASCADE,
    label TEXT NOT NULL,
    backup TEXT NOT NULL,
    seen BIGINT NOT NULL,
    gone BIGINT,
    PRIMARY KEY (place, label)
);

CREATE TABLE holdfast_gaps (
    place TEXT NOT NULL REFERENCES holdfast_repositories (place) ON DELETE CASCADE,
    first_segment TEXT NOT NULL,
    last_segment TEXT NOT NULL,
    since BIGINT NOT NULL,
    segments BIGINT NOT NULL,
    closed BIGINT,
    PRIMARY KEY (place, first_segment, last_segment, since)
);

CREATE TABLE holdfast_sizes (
    place TEXT NOT NULL REFERENCES holdfast_repositories (place) ON DELETE CASCADE,
    at BIGINT NOT NULL,
    backup_bytes BIGINT NOT NULL,
    wal_bytes BIGINT NOT NULL,
    segments BIGINT NOT NULL,
    database_bytes BIGINT NOT NULL,
    PRIMARY KEY (place, at)
);
