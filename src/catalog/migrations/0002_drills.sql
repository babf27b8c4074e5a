-- What each rehearsal came to. It outlives the objects, and the cluster.
CREATE TABLE holdfast_drills (
    -- UID of the PerconaPGRestore
    restore TEXT NOT NULL PRIMARY KEY,
    namespace TEXT NOT NULL,
    cluster TEXT NOT NULL,
    drill TEXT NOT NULL,
    ended BIGINT NOT NULL,
    -- 1: what was restored was sound
    proven BIGINT NOT NULL,
    -- Its status when it ended, as JSON
    result TEXT NOT NULL
);
CREATE INDEX holdfast_drills_of_cluster ON holdfast_drills (namespace, cluster, ended);
