//! The Jobs of a restore: begun, and ended.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;

use super::{FIELD_MANAGER, One, SOON};
use crate::api::Reason;
use crate::controllers::cluster::build::Place;
use crate::controllers::cluster::dereference::{read_sources, volume_reads};
use crate::controllers::cluster::existence::existence;
use crate::controllers::cluster::user_files;
use crate::controllers::cluster::validate::{ImageDefaults, validate};
use crate::controllers::fleet::Action;
use crate::controllers::restore::job::{Kind, job, job_name};
use crate::controllers::restore::wanted::Refused;
use crate::controllers::restore::{origin, source};
use crate::controllers::round::Failure;

impl One<'_> {
    /// Creates a Job. One that is there already is the same one: its name is of our uid.
    pub(super) async fn begin(
        &self,
        kind: Kind,
        command: Vec<String>,
    ) -> Result<Result<(), Refused>, Failure> {
        let place = match kind {
            Kind::Restore if self.restore.is_bootstrap() => match Box::pin(self.source()).await? {
                Ok(source) => source,
                Err(refused) => return Ok(Err(refused)),
            },
            _ => Place::default(),
        };
        let built = match self.built(kind, command, place) {
            Ok(built) => built,
            Err(refused) => return Ok(Err(refused)),
        };
        let namespace = self.scene.observed.cluster.namespace().unwrap_or_default();
        let writer = &self.shared.context.writer;
        match writer.create(&namespace, &built, FIELD_MANAGER).await {
            Err(error) if error.is_conflict() => Ok(Ok(())),
            Err(error) if error.is_refusal() => Ok(Err(Refused::new(Reason::ApiRefused, error.to_string()))),
            other => Ok(Ok(other.map(|_| ())?)),
        }
    }

    /// Copies what pgBackRest needs to read the source.
    async fn source(&self) -> Result<Result<Place, Refused>, Failure> {
        let context = &self.shared.context;
        let cluster = match origin::of_new(context, &self.scene.observed.cluster).await? {
            Ok(cluster) => cluster,
            Err(refused) => return Ok(Err(refused)),
        };
        let fleet = &self.shared.fleet;
        let namespace = cluster.namespace().unwrap_or_default();
        let sources = read_sources(&context.client, fleet, &namespace, &cluster).await?;
        let volumes = volume_reads(&context.client, fleet, &cluster).await?;
        let known = source::Known {
            user: &user_files::of_cluster(&cluster, &sources),
            sources: &sources,
            certificates: volumes.certificates.as_ref(),
            cluster: &cluster,
        };
        let name = format!("{}-source", job_name(self.restore, Kind::Restore));
        let images = ImageDefaults::of(&context.settings);
        let (secret, files) = match known.files(self.restore, &images, &name) {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        let own = &self.scene.observed.cluster;
        let place = Place {
            source: Some(files),
            placement: source::placement(own.spec.data_source.as_deref().cloned().unwrap_or_default()),
            throw_away: None,
        };
        let namespace = own.namespace().unwrap_or_default();
        context.writer.apply(&namespace, &secret, FIELD_MANAGER).await?;
        Ok(Ok(place))
    }

    fn built(&self, kind: Kind, command: Vec<String>, place: Place) -> Result<Job, Refused> {
        let observed = &self.scene.observed;
        let user = user_files::of_cluster(&observed.cluster, &observed.sources);
        let images = ImageDefaults::of(&self.shared.context.settings);
        let existing = existence(observed, &|_| false);
        let cluster = validate(
            &observed.cluster,
            &images,
            &existing,
            &user.options,
            BTreeSet::default(),
        )
        .map_err(|refusal| Refused::new(refusal.reason, refusal.message))?;
        let chosen = self.scene.marked().and_then(|marked| marked.instance.as_ref());
        let mut instances = cluster.instances.iter();
        let instance = instances.find(|instance| Some(&instance.name) == chosen);
        let built = instance.and_then(|instance| job(self.restore, kind, command, place, &cluster, instance));
        built.ok_or_else(|| {
            let name = chosen.map_or("?", String::as_str);
            let what = format!("instance {name} is not part of the cluster any more");
            Refused::new(Reason::InstancesNotReady, what)
        })
    }

    /// Removes a Job with its Pod.
    pub(super) async fn end(&self, kind: Kind) -> Result<Action, Failure> {
        let job = match kind {
            Kind::Restore => &self.scene.job,
            Kind::Undo => &self.scene.undo,
            // Of a rehearsal nothing is carried out here.
            Kind::Drill => return Ok(Action::await_change()),
        };
        let there = job
            .as_ref()
            .filter(|job| job.metadata.deletion_timestamp.is_none());
        if let Some(job) = there {
            let namespace = job.namespace().unwrap_or_default();
            self.shared
                .context
                .writer
                .delete_with_dependents::<Job>(&namespace, &job.name_any(), job.uid().as_deref())
                .await?;
        }
        Ok(Action::requeue(SOON))
    }
}
