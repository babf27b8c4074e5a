//! What brings data back: in place, into new clusters, as a rehearsal. `make test-restores` plays these, beside
//! `make test-e2e` with all others, since each of them restores many times.

mod bootstraps;
mod changed;
mod drills;
mod in_place;
mod ledger;
mod verdicts;
mod versions;
