//! What is to be done next about a restore in place. Pure.
//!
//! Everything follows from what is there: the mark on the cluster, the Jobs, the instances, and what is written down in the status.
//! A controller killed between any two of them finds the same step again. Up to `DataRestored=True` every way leads back to the
//! previous data; from there on only forwards.

/// How far a Job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Work {
    /// There is none.
    #[default]
    Absent,
    /// It has not ended, or is being removed.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended, and not well.
    Failed,
}

/// For which restore the cluster is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mark {
    /// For none, or for one that is over.
    #[default]
    None,
    /// For this one, and which instance it works on, once that is known.
    Ours(Option<String>),
    /// For another one that is under way.
    Another,
}

/// What is seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each seen by itself"
)]
pub struct Facts {
    /// The object is being deleted, or a newer restore takes its place.
    pub unwanted: bool,
    /// What has to end first, if anything.
    pub before: Option<String>,
    /// The mark on the cluster.
    pub mark: Mark,
    /// No instance runs, and none is asked for.
    pub stopped: bool,
    /// The instances had been stopped for this one: its Job may have changed the volume.
    pub begun: bool,
    /// What is written down of the data: restored, or not to be.
    pub restored: Option<bool>,
    /// The Job that restores.
    pub job: Work,
    /// The Job that brings the previous data back.
    pub undo: Work,
    /// There are no previous data to bring back.
    pub given_up: bool,
    /// The cluster is to stay stopped, by the user's wish.
    pub paused: bool,
    /// An instance has taken over and takes writes.
    pub leads: bool,
    /// All instances are ready.
    pub joined: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Something else has to end first.
    WaitForTurn,
    /// Mark the cluster, which stops its instances.
    Stop,
    /// They are being stopped.
    AwaitStop,
    /// Write down which instance is worked on, and that they are stopped.
    Choose,
    /// Start the Job.
    Start,
    /// Tell how far it is.
    Follow,
    /// See what it came to, and write that down.
    Judge,
    /// Write down that it is not to be.
    GiveUp,
    /// Nothing was changed: let the cluster go on.
    Abandon,
    /// End the Job.
    EndJob,
    /// Start the Job that brings the previous data back.
    Undo,
    /// It is at work.
    AwaitUndo,
    /// It failed: begin it again.
    RetryUndo,
    /// The previous data are back: let the cluster go on.
    Return,
    /// Tell that it failed.
    Fail,
    /// The decision: hand the restored database over to the cluster.
    HandOver,
    /// The instance is starting.
    AwaitLeader,
    /// The others are joining.
    AwaitReplicas,
    /// Tell that it is done.
    Succeed,
}

/// Decides.
#[must_use]
pub fn next(facts: &Facts) -> Step {
    match facts.restored {
        Some(true) => forwards(facts),
        Some(false) => back(facts),
        None if facts.unwanted => match facts.mark {
            Mark::Ours(_) if facts.begun => Step::GiveUp,
            _ => Step::Abandon,
        },
        None => attempt(facts),
    }
}

fn attempt(facts: &Facts) -> Step {
    let chosen = match &facts.mark {
        Mark::Another => return Step::WaitForTurn,
        Mark::None if facts.before.is_some() => return Step::WaitForTurn,
        Mark::None => return Step::Stop,
        Mark::Ours(chosen) => chosen,
    };
    // Whatever was seen before: nothing is begun on a volume that an instance might be using.
    if !facts.stopped {
        return Step::AwaitStop;
    }
    if chosen.is_none() || !facts.begun {
        return Step::Choose;
    }
    match facts.job {
        Work::Absent => Step::Start,
        Work::Running => Step::Follow,
        Work::Succeeded => Step::Judge,
        Work::Failed => Step::GiveUp,
    }
}

fn back(facts: &Facts) -> Step {
    if !matches!(facts.mark, Mark::Ours(_)) || facts.given_up {
        return Step::Fail;
    }
    match (facts.job, facts.undo) {
        // Two at work on one volume would be the end of it.
        (Work::Running, _) => Step::EndJob,
        (_, Work::Absent) => Step::Undo,
        (_, Work::Running) => Step::AwaitUndo,
        (_, Work::Failed) => Step::RetryUndo,
        (_, Work::Succeeded) => Step::Return,
    }
}

fn forwards(facts: &Facts) -> Step {
    match &facts.mark {
        Mark::Ours(_) => Step::HandOver,
        _ if facts.paused => Step::Succeed,
        _ if !facts.leads => Step::AwaitLeader,
        _ if !facts.joined => Step::AwaitReplicas,
        _ => Step::Succeed,
    }
}

#[cfg(test)]
mod tests;
