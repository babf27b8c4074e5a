//! WAL as PostgreSQL itself sees it: which segment was finished, and whether it counts as archived.

use holdfast::domain::wal::Lsn;

use super::wait::asked_until;
use super::{Cluster, Scenario, minutes};

impl Cluster {
    /// Runs this and finishes the segment that it was written to; the segment's name.
    pub async fn segment_with(&self, scenario: &Scenario, sql: &str) -> String {
        let sql =
            format!("{sql};\nselect pg_walfile_name(pg_current_wal_insert_lsn());\nselect pg_switch_wal();");
        let said = scenario.sql(self, &sql).await;
        said.lines()
            .rev()
            .nth(1)
            .expect("a name and a position")
            .to_owned()
    }

    /// Runs this, and waits until what it wrote is archived.
    pub async fn archived_with(&self, scenario: &Scenario, sql: &str) {
        let segment = self.segment_with(scenario, sql).await;
        self.archived(scenario, &segment).await;
    }

    /// Where it writes, in bytes.
    pub async fn position(&self, scenario: &Scenario) -> u64 {
        let said = scenario.sql(self, "select pg_current_wal_lsn()").await;
        said.parse::<Lsn>().unwrap().0
    }

    /// Whether PostgreSQL takes a segment for archived.
    pub async fn has_archived(&self, scenario: &Scenario, segment: &str) -> bool {
        let sql = format!("select coalesce(last_archived_wal, '') >= '{segment}' from pg_stat_archiver");
        scenario.sql(self, &sql).await == "t"
    }

    /// Waits until it does.
    pub async fn archived(&self, scenario: &Scenario, segment: &str) {
        let archived = async || self.has_archived(scenario, segment).await.then_some(());
        let otherwise = format!("{segment} was not archived");
        asked_until(archived, minutes(3), &otherwise).await;
    }

    /// Waits until a primary has archived a segment that begins on this timeline.
    pub async fn archives_timeline(&self, scenario: &Scenario, timeline: u32) {
        let segment = format!(
            "select last_archived_wal from pg_stat_archiver
                where not pg_is_in_recovery() and last_archived_wal ~ '^{timeline:08X}[0-9A-F]{{16}}$'"
        );
        let archived = async || (!scenario.sql(self, &segment).await.is_empty()).then_some(());
        let otherwise = format!("nothing of timeline {timeline} is archived");
        asked_until(archived, minutes(2), &otherwise).await;
    }

    /// Nothing commits by itself any more, so that the last commit is the scenario's.
    pub async fn commits_nothing_by_itself(&self, scenario: &Scenario) {
        let sql = "alter system set autovacuum = off;\nselect pg_reload_conf();";
        scenario.sql(self, sql).await;
    }
}
