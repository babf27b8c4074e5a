//! Condition types and reasons: public API, stable words with a documented meaning.
//!
//! A reason says what happened; [`Reason::meaning`] what that means for the data, [`Reason::remedy`] what to do.
//! The same words are used in conditions, Events, metrics and logs. Words are added, never renamed: alerts and
//! scripts of users depend on them. `docs/reasons.md` is made from this file.

use std::fmt::{self, Write as _};

/// Declares a word list: the enum, its words, and the texts of each.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident: $meaning:literal, $remedy:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[doc = $doc])+ $variant,)+ }

        impl $name {
            /// Every word, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word as it appears in objects.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// What happened, in one sentence.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_start(),)+ }
            }

            /// What it means for the data.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }

            /// What to do.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Why something is as it is. Each has a line in `docs/reasons.md`.
    Reason {
        /// It ended well, and the repository confirms it.
        Succeeded: "The backup is in the repository together with the WAL that makes it consistent.",
            "Nothing.";
        /// It was made by somebody else, and found in the repository.
        FoundInRepository: "The backup is in the repository; it can be restored like any other.",
            "Nothing.";
        /// The repository holds it no more, so its object was removed.
        BackupExpired: "Retention, or somebody, removed that backup from the repository.",
            "Nothing, if that is what repoN-retention-full asks for.";
        /// A repository keeps all backups and all WAL for ever.
        RetentionUnset: "Nothing is lost, but the repository grows until its store is full or too dear, and then archiving stops.",
            "Set spec.backups.pgbackrest.global.repoN-retention-full, for example to 2, or with repoN-retention-full-type=time to a number of days; 9999999 says that all is to be kept.";
        /// An option of retention cannot be understood.
        RetentionInvalid: "Nothing is removed from that repository, and nothing is lost.",
            "Correct the option that the message names.";
        /// Backups that retention lets go could not be removed.
        ExpireFailed: "Nothing is lost: the backups stay, and the repository is larger than it should be.",
            "Read the message; it is tried again by itself.";
        /// The backups of a cluster that is being deleted could not be removed, as percona.com/delete-backups asks.
        BackupsNotDeleted: "They are still there, or some of them.",
            "Read the message; it is tried again by itself. To leave them where they are, take the finalizer percona.com/delete-backups off the cluster.";
        /// The backups of a cluster that was deleted are gone too, as percona.com/delete-backups asks.
        BackupsDeleted: "Nothing of that cluster can be restored from that repository any more.", "Nothing.";
        /// The backup is held by spec.pinned.
        BackupPinned: "It stays in the repository with all that it needs, whatever retention and deletion say.",
            "Set spec.pinned to false to let it go.";
        /// Other backups cannot be restored without this one.
        BackupNeeded: "Nothing was removed.",
            "Delete the backups that the message names too, or set spec.deletionPolicy to Retain.";
        /// It is the last backup of its repository from which anything can be restored.
        LastBackup: "Nothing was removed.",
            "Take another full backup first, or set spec.deletionPolicy to Retain.";
        /// All is as the specification asks.
        AsSpecified: "Nothing is at risk.", "Nothing.";
        /// It is being worked on.
        InProgress: "Nothing is at risk.", "Wait.";
        /// pgBackRest ended, and the repository is being read to confirm it.
        VerificationPending: "The backup is not counted as one until its label and its WAL are seen in the repository.",
            "Wait; if it stays, read the message for what cannot be read.";
        /// Another backup or repository command is at work.
        RepositoryBusy: "Nothing is at risk: this one starts when the other has ended.",
            "Wait, or delete the other backup.";
        /// As many backups run as the operator may run at once.
        BudgetUsedUp: "Nothing is at risk: this one starts when others have ended.",
            "Wait, or raise HOLDFAST_BACKUPS_AT_ONCE of the operator.";
        /// The wait was longer than the deadline allows.
        DeadlineExceeded: "This backup was not taken; earlier ones and WAL archiving are not affected.",
            "Remove what the message names as the cause, then create the backup again.";
        /// The work was stopped from outside: its Pod was deleted, evicted or cut off.
        Interrupted: "What was copied so far does not count; earlier backups are not affected.",
            "Nothing: it is tried again. If it happens again, look at the node and at the Job's resources.";
        /// A process of the Job's Pod was killed because the memory limit was reached, or the node had none left.
        OutOfMemory: "What was copied so far does not count; earlier backups are not affected.",
            "Raise backups.pgbackrest.jobs.resources.limits.memory, or let it need less: process-max, buffer-size and compress-level in \
            global. It is tried again until jobs.backoffLimit is used up.";
        /// Kubernetes took the Pod off its node: the node ran short, was drained or shut down, or made room for another Pod.
        Evicted: "What was copied so far does not count; earlier backups are not affected.",
            "Nothing: it is tried again. If it happens again, give the Job requests for what it needs, or a priorityClassName.";
        /// The node that the Pod ran on is gone, does not answer, or was tainted.
        NodeLost: "What was copied so far does not count; earlier backups are not affected.",
            "Look at the node. It is tried again once Kubernetes has given the Pod up; of a node that is gone for good, delete the Node.";
        /// Another instance became the primary while the backup ran.
        PrimaryChanged: "What was copied so far does not count: a backup needs one primary from its beginning to its end. Earlier ones are \
            not affected.",
            "Nothing: it is tried again. If it happens again, find out why the cluster changes its primary.";
        /// The files were copied from the primary although there is a replica.
        StandbyNotUsed: "The backup is as good as any other; reading it was work for the primary.",
            "Look at the replicas: none could be reached, or none had replayed what the primary wrote when the backup began.";
        /// pgBackRest ran longer than it may, or stopped making progress.
        Stalled: "This backup was not taken; earlier ones are not affected.",
            "Look at the store's and the network's throughput.";
        /// pgBackRest failed in a way that has no reason of its own.
        BackupFailed: "This backup was not taken; earlier ones are not affected.",
            "Read the message and the log of the Job.";
        /// The Job cannot be started: its Pod is not scheduled or its image is not there.
        PodNotStarting: "This backup has not begun.",
            "Read the message: it quotes what Kubernetes says about the Pod.";

        /// Nobody was there when it was due: the operator did not run.
        Unattended: "That backup was not taken. The last of those that were due in that time is taken afterwards, unless \
            catchUp says otherwise.",
            "Look at what kept the operator from running.";
        /// The backup of the time before has not ended.
        PreviousRunActive: "That backup was not taken; the one before it goes on or waits.",
            "Let it come less often, or find out what makes backups take so long.";
        /// The user has suspended the schedules of a repository.
        SchedulesSuspended: "No backups are taken by themselves into that repository; what can be restored from it grows older.",
            "Set suspend of its schedules to false.";
        /// It is a time in which no scheduled backup begins.
        BlackoutWindow: "That backup is taken when the time is over.", "Nothing.";
        /// A schedule or a blackout cannot be understood.
        ScheduleInvalid: "No backups are taken by it; the other schedules are not affected.",
            "Correct what the message names.";
        /// A time came that made no backup, and none has succeeded since.
        BackupsMissed: "What changed since the last backup is protected by WAL only, and takes longer to restore.",
            "Read the reason in status.schedules; the next backup puts it right.";
        /// The last scheduled backup failed.
        ScheduledBackupFailed: "What changed since the last backup is protected by WAL only, and takes longer to restore.",
            "Read the error of the PerconaPGBackup that the message names.";
        /// The operator's clock was set back, and the accounts of the schedules begin anew.
        ClockSetBack: "Times that come again make no second backup where the first one is still there.",
            "Find out why the clock of the operator's node jumped.";

        /// The store refuses the credentials.
        CredentialsRefused: "No backup can be taken and WAL waits on the primary's volume until it is full.",
            "Correct the Secret that backups.pgbackrest.configuration names. Work resumes by itself.";
        /// There are no credentials for the store.
        CredentialsMissing: "No backup can be taken and WAL waits on the primary's volume until it is full.",
            "Create the Secret that backups.pgbackrest.configuration names, with the keys of the repository.";
        /// The bucket or container does not exist.
        BucketMissing: "No backup can be taken and WAL waits on the primary's volume until it is full.",
            "Create the bucket or correct its name, endpoint or region. Work resumes by itself.";
        /// The certificate of the store is not trusted.
        CertificateUntrusted: "Nothing was sent to the store. No backup can be taken and WAL waits on the primary's volume.",
            "Give the authority that signed it: repoN-storage-ca-file in global, the file in configuration.";
        /// The store cannot be reached.
        EndpointUnreachable: "No backup can be taken and WAL waits on the primary's volume until it is full.",
            "Check the endpoint, DNS and network policies. Work resumes by itself.";
        /// The Pod that serves the repositories on volumes is not ready.
        RepoHostNotReady: "No backup can be taken into a repository on a volume, and WAL waits on the primary's volume until it is full.",
            "Look at the Pod and at the claims that the message names. Work resumes by itself.";
        /// A repository on a volume was taken out of the specification.
        RepositoryRemoved: "Its claim and all backups in it are kept; nothing new arrives in it.",
            "Put it back to use it again. To delete its backups for good, delete the claim as the message says.";
        /// The store has no room left or a quota is used up.
        StoreFull: "No backup can be taken and WAL waits on the primary's volume until it is full.",
            "Make room in the store or lower the repository's retention. Work resumes by itself.";
        /// The store answers, but too slowly or with errors of its own.
        StoreThrottled: "Backups and archiving take longer; nothing is lost.",
            "Nothing, unless it lasts: then look at the store's limits.";
        /// The credentials may read but not write, or not all that is needed.
        PermissionMissing: "What is in the repository can be restored, but nothing new arrives.",
            "Grant the permission that the message names.";

        /// The cluster has no repository of that name.
        RepositoryUnknown: "This backup was not taken; others are not affected.",
            "Use one of the repositories that the message lists, or add it to the cluster.";
        /// The repository holds no stanza yet.
        StanzaMissing: "Nothing can be restored from this repository yet.",
            "Wait for the cluster to create it; if it stays, read the condition of the repository.";
        /// The repository belongs to a database with another system identifier.
        SystemIdentifierMismatch: "Nothing was written, so that the other database's backups stay whole. This cluster is not backed up there.",
            "Give this cluster a path or bucket of its own, or restore from that repository if it is this one's data you want.";
        /// The passphrase does not decrypt the repository.
        WrongCipherPassphrase: "Backups in the repository cannot be read or restored with it; nothing new arrives.",
            "Put the passphrase back with which the repository was created.";
        /// Encryption is on and there is no passphrase, or the repository is encrypted and encryption is off.
        CipherMissing: "Nothing was written.",
            "Set repoN-cipher-type in global and repoN-cipher-pass in a Secret of configuration, as the repository was created with.";
        /// A file of the repository cannot be read as what it should be.
        RepositoryDamaged: "Backups that depend on the file the message names may not be restorable.",
            "Take a new full backup now, and restore the file from a copy or a version of the bucket.";
        /// The repository is an older copy of what it was, or its newest backup was removed.
        RepositoryRolledBack: "What was backed up and archived since that copy cannot be restored from this repository.",
            "If the newer repository still exists, bring it back; else take a full backup now.";
        /// The two info files of the repository are of different databases.
        RepositoryMixed: "pgBackRest refuses to work with it; what belongs to which database has to be sorted out.",
            "Bring back both files from the same moment: archive.info and backup.info, or their copies.";
        /// Clocks disagree.
        ClocksDisagree: "What is restored is not affected, but a recovery to a point in time stops at the database's clock, not at yours.",
            "Synchronise the clocks of the nodes.";
        /// The repository does not hold the backup, though pgBackRest reported success.
        NotInRepository: "This backup cannot be restored and does not count.",
            "Check that the controller and the Job use the same bucket and path, then take it again.";
        /// The backup is there, but WAL up to its end is not.
        WalMissing: "This backup cannot be made consistent and does not count until the WAL arrives.",
            "Look at the condition of archiving; the message names the first segment that is missing.";
        /// PostgreSQL's WAL is not archived.
        ArchivingFailing: "WAL waits on the primary's volume until that is full; nothing later than the last archived segment can be restored.",
            "Read the message and the log of the instance's database container.";
        /// The user keeps WAL from a repository.
        ArchivingSuspended: "What can be restored from that repository ends where archiving to it stopped; the others go on.",
            "Set suspendArchiving to false when it takes WAL again, then take a full backup into it: WAL of the time between is not there.";
        /// WAL is written faster than it is archived, or its volume is filling up.
        WalAccumulating: "PostgreSQL stops when the volume of the WAL is full. What waits is only on the primary.",
            "Look at the store's and the network's throughput, raise archive-push's process-max, or enlarge the volume.";
        /// WAL segments are missing in the archive.
        WalGap: "The times that the message names cannot be restored from this repository. What lies before the gap and what \
            later backups begin anew can.",
            "Take a full backup now: it begins a new window. If a copy of the segments exists, put it back: the gap closes by itself.";
        /// A WAL segment is in the archive and cannot be used.
        WalUnusable: "A recovery ends before it: the times that the message names cannot be restored from this repository.",
            "Take a full backup now. If the object store keeps versions, bring back an earlier one of the segment.";
        /// The latest time that can be restored is further behind the database than the objective allows.
        RecoveryPointExceeded: "What was committed since that time would be lost with the database's volumes.",
            "Look at ArchivingHealthy; if it is True, lower PostgreSQL's archive_timeout.";
        /// No backup in any repository can be restored.
        NothingRestorable: "If the database's volumes are lost now, its data are lost.",
            "Take a backup: create a PerconaPGBackup. If that fails, its status says why.";
        /// Two settings of pgBackRest contradict each other.
        ConfigurationConflict: "pgBackRest does not start; no backup can be taken and WAL waits on the primary's volume.",
            "Change the option that the message names.";

        /// The cluster does not exist.
        ClusterMissing: "Nothing was done.", "Create the cluster or correct spec.pgCluster.";
        /// The cluster is being deleted.
        ClusterDeleting: "Nothing was done.", "Nothing.";
        /// The cluster is not ready.
        ClusterNotReady: "Nothing is at risk from this: the backup starts when the cluster is ready.",
            "Look at the conditions of the cluster.";
        /// The cluster is paused.
        ClusterPaused: "The data are as they were; nothing new is written or archived.",
            "Set spec.pause to false.";
        /// The cluster is marked as not managed.
        ClusterUnmanaged: "Nothing is created, changed or deleted, and no backup is taken.",
            "Set spec.unmanaged to false.";
        /// Backups are switched off for the cluster.
        BackupsDisabled: "The cluster is not backed up.", "Set spec.backups.enabled to true and configure a repository.";
        /// The cluster is a standby: it follows another one, and takes no writes.
        ClusterIsStandby: "Its data, users and databases are those of the cluster that it follows. It takes no backups and removes none, and schedules do not run.",
            "Ask the cluster that it follows; or promote this one: stop the other and set spec.standby.enabled to false.";
        /// The standby applies what arrives in the repository.
        FollowsRepository: "It is behind by what has not been archived yet: up to archive_timeout, a minute by default.",
            "Nothing. With spec.standby.host it streams, and is closer.";
        /// The standby streams from the primary that it follows.
        FollowsHost: "It is behind by as much as the network is.",
            "Nothing.";
        /// The standby does not follow: nobody leads it.
        StandbyNotFollowing: "What it has stays; what the cluster that it follows writes does not arrive.",
            "Look at the instance Pods, their logs, and at what the message names.";
        /// There is nothing that the standby could begin with.
        StandbySourceMissing: "Nothing was made. The cluster that it is to follow is not affected.",
            "See the message: its repository must be reachable and hold a backup, or its host must be given.";
        /// The cluster has data of its own, and is to become a standby.
        StandbyHasOwnData: "Nothing was changed: to follow another cluster means to give up what only this one has.",
            "Make a new standby under another name, and remove this cluster once nobody needs its data.";
        /// The standby is not promoted: the cluster that it follows is still at work.
        PromotionRefused: "Nothing was changed: it goes on following. Two clusters that take writes would have two histories, of which one is lost.",
            "Stop the other one (spec.pause), and see it stopped; this one is promoted by itself then. For a copy beside it, use spec.dataSource.";
        /// The cluster is not started: another one takes writes on the same database, and archives to the same place.
        AnotherTakesWrites: "Nothing was changed, and its volumes are as they were. Two clusters that take writes would have two histories, of which one is lost.",
            "If the other one is to stay, remove this cluster, and make a new one with spec.standby; else stop the other one (spec.pause).";
        /// The standby is farther behind than spec.standby.maxAcceptableLag.
        LagDetected: "If the other cluster were lost now, so would be the commits that have not arrived.",
            "See whether the other cluster archives (its condition ArchivingHealthy), and whether this one's network and volumes keep up.";
        /// The standby is near enough.
        LagNotDetected: "If the other cluster were lost now, no more would be lost than spec.standby.maxAcceptableLag allows.",
            "Nothing.";
        /// The primary cannot be reached.
        PrimaryUnreachable: "No backup can be taken while it lasts; earlier ones are not affected.",
            "Look at the instance Pods and at Patroni.";
        /// Instances are missing or not ready.
        InstancesNotReady: "Data are not at risk while one instance leads; redundancy is lower than asked for.",
            "Look at the Pods that the message names.";

        /// Nothing stands against the restore.
        RestorePossible: "Nothing was done yet.", "Nothing.";
        /// No recovery can stop at the target.
        TargetUnreachable: "Nothing was done; the cluster goes on as before.",
            "Choose one of the moments that the message names, in a new object.";
        /// No backup serves the target.
        NoBackupForTarget: "Nothing was done; the cluster goes on as before.",
            "Choose another target, backup or repository in a new object; 'kubectl get pg-backup' lists the backups.";
        /// The timeline is not known, or does not say which one is meant.
        TimelineUnclear: "Nothing was done; the cluster goes on as before.",
            "Name the timeline in target.timeline of a new object; status.recovery of the cluster lists the windows of each.";

        /// Another restore of the cluster is under way.
        RestoreUnderWay: "The cluster is stopped for it; what is asked for waits.",
            "Nothing: it goes on when that one has ended. A restore with spec.supersede ends the other one.";
        /// The cluster is new and its first data are not there yet.
        AwaitsData: "No instance is started before they are there: there is nothing that could be lost.",
            "Look at the restore that brings them: kubectl describe pg-restore.";
        /// The source's owner does not let this namespace begin from its backups.
        SourceNotShared: "Nothing was read, and no instance is started.",
            "Ask the owner of the source to add this namespace to its spec.backups.sharedWith.";
        /// The new cluster would write where its source writes.
        SourceIsTarget: "Nothing was changed: two clusters that write into one repository would destroy it.",
            "Give the new cluster another path, with repoN-path in spec.backups.pgbackrest.global, or another bucket.";
        /// The rehearsal has shown that it can be restored.
        Proven: "What the repository held at that time can be restored, and was sound.", "Nothing.";
        /// A rehearsal could not restore.
        DrillFailed: "The cluster was not touched. What the repository holds could not be restored just now.",
            "The message says what stands against it. Damage in the repository: take a full backup, and find out who changes objects of the store.";
        /// What a rehearsal restored is not as it should be.
        ChecksFailed: "The cluster was not touched. What was restored is damaged, or not what a check expects.",
            "Read status.checks of the restore. For a damaged page look at the cluster itself (pg_amcheck), and take a full backup when it is sound.";
        /// A newer restore took the place of this one.
        Superseded: "What was there before it is there again, or the newer restore replaces it.", "Look at the newer one.";
        /// The restored database took its place, and all instances follow it.
        Restored: "The cluster is at the target. What was committed behind it stays in the repository, on the timeline that was left.",
            "Nothing.";
        /// The WAL ended before the target.
        TargetNotReached: "What was there before is there again.",
            "Look at status.preflight; name another target, or leave out the time to get all there is.";
        /// The restore failed.
        RestoreFailed: "What was there before is there again, unless it was given up with previousData: Discard.",
            "The message says what happened. Put it right and make a new object.";
        /// The restore failed, and what was there before had been given up.
        NothingToReturnTo: "The cluster has no database until a restore succeeds; the repositories are untouched.",
            "Put right what the message names, and make a new PerconaPGRestore: it starts at once.";
        /// The claim has no room for a second copy.
        NoRoomForPrevious: "Nothing was changed.",
            "Enlarge the claim, or give up the way back with previousData: Discard in a new object.";

        /// An option is not allowed here, or cannot be understood.
        InvalidOptions: "Nothing was done.", "Correct spec.options in a new object; the message says which one and why.";
        /// The specification contradicts itself or is not possible.
        InvalidSpecification: "Nothing was changed; what ran before goes on.", "Correct what the message names.";
        /// The object cannot be read as what its kind says.
        InvalidObject: "The object is left alone and nothing of it is acted on; others are not affected.",
            "Correct the field that the message names.";
        /// What was asked for is not built in this version.
        NotSupported: "Nothing was done.", "Use another way, or a version that supports it.";
        /// The specification sets fields that are accepted but not acted on.
        UnsupportedFields: "The cluster runs as if those fields were not set.",
            "Remove them, or do not rely on them.";
        /// A Secret or other object that the specification names is not there or lacks a key.
        ReferenceMissing: "What depends on it waits; what ran before goes on.",
            "Create it with the keys that the message names.";
        /// A volume that is to be taken over is somebody else's.
        ClaimInUse: "Nothing was changed: two databases on one volume would be the end of both.",
            "Remove whom the message names, keeping its volumes, or name another claim.";
        /// A user or database could not be applied.
        UsersNotApplied: "Data are not at risk; the users that the message names may not be able to connect.",
            "Correct the user in the specification; the message quotes PostgreSQL.";
        /// The API server refused or did not take a change.
        ApiRefused: "What ran before goes on.", "Look at the quota, policy or permission that the message names.";
    }
}

impl Reason {
    /// The reason of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
    }

    /// The whole text of a message: what happened in general and here (`what`), what it means for the data, what to do.
    #[must_use]
    pub fn explain(self, what: &str) -> String {
        let here = what.trim().trim_end_matches('.');
        let dot = if here.is_empty() { "" } else { ". " };
        let text = format!("{} {here}{dot}{}", self.summary(), self.meaning());
        match self.remedy() {
            // Where nothing is to be done nobody needs to be told so.
            "Nothing." => text,
            remedy => format!("{text} {remedy}"),
        }
    }
}

/// `docs/reasons.md`: every reason with what it means and what to do.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(
        "# Reasons\n\nEvery condition and Event carries one of these words as its reason. They are part of the API: words are\n\
         added, never renamed. Made by `make crds` from `src/api/reasons.rs`; do not edit.\n\n\
         | Reason | What happened | What it means for the data | What to do |\n|---|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let cells =
            [reason.summary(), reason.meaning(), reason.remedy()].map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(text, "| `{reason}` | {} |", cells.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_a_word_the_server_accepts_and_is_explained() {
        for reason in Reason::ALL {
            let word = reason.as_str();
            assert!(word.chars().all(|c| c.is_ascii_alphanumeric()), "{word}");
            assert!(word.starts_with(|c: char| c.is_ascii_uppercase()), "{word}");
            for text in [reason.summary(), reason.meaning(), reason.remedy()] {
                assert!(text.ends_with('.') && !text.contains("  "), "{word}: {text:?}");
            }
        }
    }

    #[test]
    fn the_document_in_docs_is_the_one_made_from_here() {
        assert_eq!(
            include_str!("../../docs/reasons.md"),
            document(),
            "run `make crds`"
        );
    }

    #[test]
    fn words_stay_as_they_are() {
        insta::assert_snapshot!(
            Reason::ALL
                .iter()
                .map(|reason| reason.as_str())
                .collect::<Vec<_>>()
                .join("\n")
        );
    }
}
