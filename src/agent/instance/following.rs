//! An instance in recovery: where it leads a standby, Patroni's dynamic configuration is kept as desired, which is also how a
//! standby is promoted, and it is told how far it is.
//!
//! Nothing can be written to a database in recovery; Patroni's document is not in it. Of a cluster that takes writes, the primary's
//! agent keeps that document, and the replicas find nothing to do.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::time::Instant;
use tokio_postgres::Client;

use super::patroni::Patroni;
use super::sql::connection::SqlError;
use crate::agent::desired::Desired;
use crate::agent::report::StandbyReport;

/// How far it is moves all the time; it is told this often, and at once when the sender comes or goes.
const TOLD: Duration = Duration::from_secs(20);
/// Patroni is asked this often who leads a standby, and whether its document is right.
const ASKED: Duration = Duration::from_secs(10);
/// And this often where no standby is wanted: a replica may take over from one that was about to be promoted.
const ASKED_SELDOM: Duration = Duration::from_mins(2);

const FACTS: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver WHERE status = 'streaming'), \
    (SELECT latest_end_lsn::pg_catalog.text FROM pg_catalog.pg_stat_wal_receiver WHERE status = 'streaming'), \
    pg_catalog.pg_last_wal_replay_lsn()::pg_catalog.text, pg_catalog.pg_last_xact_replay_timestamp()";

/// What is remembered between two looks.
#[derive(Default)]
pub struct Following {
    leads: bool,
    revision: Option<String>,
    asked: Option<Instant>,
    told: Option<(Instant, StandbyReport)>,
}

impl Following {
    /// Looks; gives what it follows, where it leads a standby.
    pub async fn look(
        &mut self,
        client: &Client,
        patroni: &Patroni,
        desired: &Arc<Desired>,
    ) -> Option<StandbyReport> {
        let new = self.revision.as_ref() != Some(&desired.revision);
        let is_wanted = desired.dynamic_configuration.get("standby_cluster").is_some();
        let pause = if is_wanted || self.leads {
            ASKED
        } else {
            ASKED_SELDOM
        };
        if new || self.asked.is_none_or(|asked| asked.elapsed() >= pause) {
            self.revision = Some(desired.revision.clone());
            self.asked = Some(Instant::now());
            // While Patroni does not answer, what it said last counts.
            if let Ok(leads) = patroni.leads_standby().await {
                self.leads = leads;
            }
            if self.leads {
                match patroni.configure(&desired.dynamic_configuration).await {
                    Ok(true) => tracing::info!("Patroni's dynamic configuration changed"),
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%error, "Patroni's dynamic configuration is not applied"),
                }
            }
        }
        if !self.leads {
            self.told = None;
            return None;
        }
        match seen(client).await {
            Ok(seen) => Some(self.tell(seen, Instant::now())),
            Err(error) => {
                tracing::debug!(code = error.code(), %error, "how far the standby is cannot be told");
                self.told.as_ref().map(|(_, told)| told.clone())
            }
        }
    }

    fn tell(&mut self, seen: StandbyReport, now: Instant) -> StandbyReport {
        let same = |told: &StandbyReport| {
            let place = |report: &StandbyReport| (report.replayed.clone(), report.sent.clone());
            place(told) == place(&seen)
        };
        match &self.told {
            Some((at, told)) if told.streaming == seen.streaming && (now - *at < TOLD || same(told)) => {
                told.clone()
            }
            _ => {
                self.told = Some((now, seen.clone()));
                seen
            }
        }
    }
}

async fn seen(client: &Client) -> Result<StandbyReport, SqlError> {
    let row = client.query_one(FACTS, &[]).await?;
    Ok(StandbyReport {
        at: Some(Utc::now()),
        streaming: row.try_get(0)?,
        sent: row.try_get(1)?,
        replayed: row.try_get(2)?,
        replayed_until: row.try_get(3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(streaming: bool, replayed: &str) -> StandbyReport {
        StandbyReport {
            streaming,
            replayed: Some(replayed.to_owned()),
            ..StandbyReport::default()
        }
    }

    #[test]
    fn how_far_it_is_is_told_now_and_then_and_a_sender_that_goes_at_once() {
        let (mut following, now) = (Following::default(), Instant::now());
        let mut told = |streaming, replayed, at| following.tell(report(streaming, replayed), at);
        assert_eq!(told(true, "0/1", now), report(true, "0/1"));
        assert_eq!(told(true, "0/2", now), report(true, "0/1"));
        assert_eq!(told(false, "0/2", now), report(false, "0/2"));
        assert_eq!(told(false, "0/3", now + TOLD), report(false, "0/3"));
    }
}
