//! A cluster in miniature: each step has the effect that it has in a real one, and the controller may be killed before or after any
//! write, the Job may fail at any moment, the object may be deleted at any moment.

use super::*;

/// What is on the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Volume {
    Previous,
    /// Half restored; the previous data are aside.
    Half,
    Restored,
}

#[derive(Debug, Clone)]
struct World {
    facts: Facts,
    volume: Volume,
    running: bool,
    over: Option<bool>,
}

impl World {
    fn new() -> Self {
        Self {
            facts: Facts::default(),
            volume: Volume::Previous,
            running: true,
            over: None,
        }
    }

    /// What the cluster controller and Kubernetes do between two reconciles.
    fn moves_on(&mut self, job: Work) {
        let facts = &mut self.facts;
        let marked = facts.mark != Mark::None;
        assert!(
            !marked || !self.running || self.volume == Volume::Previous,
            "{facts:?}"
        );
        self.running = !marked;
        facts.stopped = marked;
        facts.leads = self.running;
        facts.joined = self.running;
        if self.running {
            assert_ne!(self.volume, Volume::Half, "an instance on what is half restored");
        }
        if facts.job == Work::Running && facts.undo == Work::Absent {
            facts.job = job;
            self.volume = if job == Work::Succeeded {
                Volume::Restored
            } else {
                Volume::Half
            };
        }
        if facts.undo == Work::Running {
            assert_ne!(facts.job, Work::Running, "two at work on one volume");
            facts.undo = Work::Succeeded;
            self.volume = Volume::Previous;
        }
    }

    fn takes(&mut self, step: Step) {
        let facts = &mut self.facts;
        match step {
            Step::Stop => facts.mark = Mark::Ours(None),
            Step::Choose => {
                facts.mark = Mark::Ours(Some("c-a-x".to_owned()));
                facts.begun = true;
            }
            Step::Start => {
                assert!(!self.running && facts.stopped);
                facts.job = Work::Running;
            }
            Step::Judge => facts.restored = Some(true),
            Step::GiveUp => facts.restored = Some(false),
            Step::EndJob => facts.job = Work::Absent,
            Step::Undo | Step::RetryUndo => facts.undo = Work::Running,
            Step::Return | Step::HandOver => facts.mark = Mark::None,
            Step::Abandon => {
                facts.mark = Mark::None;
                self.over = Some(false);
            }
            Step::Fail => self.over = Some(false),
            Step::Succeed => self.over = Some(true),
            Step::WaitForTurn
            | Step::AwaitStop
            | Step::Follow
            | Step::AwaitUndo
            | Step::AwaitLeader
            | Step::AwaitReplicas => {}
        }
    }

    /// Runs to the end; `event` happens before that round.
    fn run(mut self, job: Work, round: usize, event: impl Fn(&mut Self)) -> Self {
        for now in 0..60 {
            if now == round {
                event(&mut self);
            }
            self.moves_on(job);
            let step = next(&self.facts);
            self.takes(step);
            if self.over.is_some() {
                self.moves_on(job);
                return self;
            }
        }
        panic!("it does not end: {self:?}");
    }
}

#[test]
fn a_restore_ends_on_the_restored_data() {
    let end = World::new().run(Work::Succeeded, 99, |_| {});
    assert_eq!(
        (end.over, end.volume, end.running),
        (Some(true), Volume::Restored, true)
    );
}

#[test]
fn one_whose_job_fails_ends_on_the_previous_data_and_the_cluster_runs() {
    let end = World::new().run(Work::Failed, 99, |_| {});
    assert_eq!(
        (end.over, end.volume, end.running),
        (Some(false), Volume::Previous, true)
    );
}

#[test]
fn one_that_is_deleted_or_superseded_at_any_moment_ends_on_either_and_the_cluster_runs() {
    for round in 0..12 {
        for job in [Work::Succeeded, Work::Failed, Work::Running] {
            let end = World::new().run(job, round, |world| world.facts.unwanted = true);
            let expected = if end.over == Some(true) {
                Volume::Restored
            } else {
                Volume::Previous
            };
            assert_eq!(
                (end.volume, end.running),
                (expected, true),
                "{round} {job:?} {end:?}"
            );
        }
    }
}

#[test]
fn a_job_that_somebody_deletes_is_begun_again() {
    for round in 0..8 {
        let end = World::new().run(Work::Succeeded, round, |world| {
            if world.facts.restored.is_none() {
                world.facts.job = Work::Absent;
            }
        });
        assert_eq!((end.over, end.volume), (Some(true), Volume::Restored), "{round}");
    }
}

#[test]
fn instances_that_come_back_meanwhile_are_waited_for() {
    let facts = Facts {
        mark: Mark::Ours(Some("c-a-x".to_owned())),
        begun: true,
        ..Facts::default()
    };
    assert_eq!(next(&facts), Step::AwaitStop);
    assert_eq!(
        next(&Facts {
            stopped: true,
            ..facts
        }),
        Step::Start
    );
}

#[test]
fn one_that_is_not_first_waits_and_one_of_a_paused_cluster_leaves_it_stopped() {
    let waiting = Facts {
        before: Some("another".to_owned()),
        ..Facts::default()
    };
    assert_eq!(next(&waiting), Step::WaitForTurn);
    let another = Facts {
        mark: Mark::Another,
        ..Facts::default()
    };
    assert_eq!(next(&another), Step::WaitForTurn);
    let paused = Facts {
        restored: Some(true),
        paused: true,
        ..Facts::default()
    };
    assert_eq!(next(&paused), Step::Succeed);
}

#[test]
fn where_the_previous_data_were_given_up_there_is_nothing_to_return_to() {
    let facts = Facts {
        mark: Mark::Ours(Some("c-a-x".to_owned())),
        restored: Some(false),
        given_up: true,
        begun: true,
        ..Facts::default()
    };
    assert_eq!(next(&facts), Step::Fail);
}
