//! Which instances a set has and which of them run. Pure.
//!
//! Names are derived, never random: a controller killed between two writes finds the same names again. What exists
//! (a `StatefulSet`, or only a claim left behind) is taken up before anything new is made.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

/// Without vowels and look-alikes, as Kubernetes' own generated names.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// An instance that exists, as far as its set is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each seen by itself"
)]
pub struct Existing {
    /// Name of the `StatefulSet`, whether it is there or only its claim.
    pub name: String,
    /// The `StatefulSet` is there.
    pub deployed: bool,
    /// Its Pod is there, ready or not.
    pub present: bool,
    /// Its Pod is ready.
    pub ready: bool,
    /// It leads.
    pub leads: bool,
    /// It led when the cluster was stopped.
    pub led_last: bool,
}

/// Names of the `wanted` instances of a set, sorted.
///
/// Fewer than exist: the leader stays, then those that are ready. More than exist: names left over by claims are used first.
#[must_use]
pub fn choose(cluster: &str, set: &str, wanted: usize, existing: &[Existing]) -> Vec<String> {
    let mut candidates: Vec<&Existing> = existing.iter().collect();
    candidates.sort_by_key(|instance| {
        (
            !(instance.leads || instance.led_last),
            !instance.ready,
            !instance.deployed,
            instance.name.clone(),
        )
    });
    let mut chosen: BTreeSet<String> = candidates
        .into_iter()
        .take(wanted)
        .map(|instance| instance.name.clone())
        .collect();
    let taken: BTreeSet<&str> = existing.iter().map(|instance| instance.name.as_str()).collect();
    let mut position = 0_u32;
    while chosen.len() < wanted {
        let name = derived(cluster, set, position);
        position += 1;
        if !taken.contains(name.as_str()) {
            chosen.insert(name);
        }
    }
    chosen.into_iter().collect()
}

/// The name that the first instance of a set gets.
#[must_use]
pub fn first(cluster: &str, set: &str) -> String {
    derived(cluster, set, 0)
}

fn derived(cluster: &str, set: &str, position: u32) -> String {
    let digest = Sha256::digest(format!("{cluster}/{set}/{position}"));
    let suffix: String = digest
        .iter()
        .take(4)
        .filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()))
        .map(|byte| char::from(*byte))
        .collect();
    format!("{cluster}-{set}-{suffix}")
}

/// What an instance is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// It runs.
    pub running: bool,
    /// It is remembered as the last leader, since it alone is sure to have every commit.
    pub led_last: bool,
}

/// Which instance runs. Pausing stops replicas first and the leader last; what led last starts first, alone, until it
/// leads again: a replica that came up before it could be promoted without the last commits.
#[must_use]
pub fn parts(paused: bool, instances: &[Existing]) -> Vec<Part> {
    let leads = instances.iter().any(|instance| instance.leads);
    let remembered = instances.iter().any(|instance| instance.led_last);
    let others_present = |me: &Existing| {
        instances
            .iter()
            .any(|other| other.name != me.name && other.present)
    };
    instances
        .iter()
        .map(|instance| {
            let last = if leads { instance.leads } else { instance.led_last };
            if paused {
                Part {
                    running: instance.leads && others_present(instance),
                    led_last: last,
                }
            } else if leads || !remembered {
                Part {
                    running: true,
                    led_last: false,
                }
            } else {
                // Those that run already are left alone: this is a start, not a stop.
                Part {
                    running: last || instance.present,
                    led_last: last,
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{Existing, Part, choose, parts};

    fn instance(name: &str) -> Existing {
        Existing {
            name: name.to_owned(),
            deployed: true,
            present: true,
            ready: true,
            ..Existing::default()
        }
    }

    #[test]
    fn names_are_the_same_every_time_and_differ_between_sets_and_clusters() {
        let names = choose("c", "a", 3, &[]);
        assert_eq!(names, choose("c", "a", 3, &[]));
        assert_eq!(names.len(), 3);
        assert!(
            names
                .iter()
                .all(|name| name.starts_with("c-a-") && name.len() == 8)
        );
        assert_ne!(choose("c", "b", 1, &[]), choose("d", "b", 1, &[]));
        assert!(choose("c", "a", 1, &[]).iter().all(|name| names.contains(name)));
    }

    #[test]
    fn what_exists_is_taken_up_claims_without_an_instance_too() {
        let left_over = Existing {
            deployed: false,
            present: false,
            ready: false,
            ..instance("c-a-old1")
        };
        let chosen = choose("c", "a", 2, &[left_over, instance("c-a-now1")]);
        assert_eq!(chosen, ["c-a-now1", "c-a-old1"]);
    }

    #[test]
    fn the_leader_stays_when_a_set_shrinks() {
        let leader = Existing {
            leads: true,
            ready: false,
            ..instance("c-a-zzzz")
        };
        assert_eq!(choose("c", "a", 1, &[instance("c-a-aaaa"), leader]), ["c-a-zzzz"]);
    }

    #[rstest]
    #[case::runs(false, true, true, false, [true, true])]
    #[case::replicas_stop_first(true, true, true, false, [true, false])]
    #[case::then_the_leader(true, true, false, false, [false, false])]
    #[case::all_stopped(true, false, false, true, [false, false])]
    #[case::the_last_leader_starts_alone(false, false, false, true, [true, false])]
    #[case::the_rest_follows_it(false, true, false, true, [true, true])]
    #[case::new(false, false, false, false, [true, true])]
    fn instances_stop_and_start_in_order(
        #[case] paused: bool,
        #[case] first_leads: bool,
        #[case] second_present: bool,
        #[case] first_led_last: bool,
        #[case] running: [bool; 2],
    ) {
        let first = Existing {
            leads: first_leads,
            present: first_leads,
            led_last: first_led_last,
            ..instance("c-a-aaaa")
        };
        let second = Existing {
            present: second_present,
            ..instance("c-a-bbbb")
        };
        let parts = parts(paused, &[first, second]);
        assert_eq!([parts[0].running, parts[1].running], running);
    }

    #[test]
    fn the_leader_of_a_paused_cluster_is_remembered_until_it_leads_again() {
        let leader = Existing {
            leads: true,
            ..instance("c-a-aaaa")
        };
        assert!(parts(true, &[leader])[0].led_last);
        let stopped = Existing {
            present: false,
            led_last: true,
            ..instance("c-a-aaaa")
        };
        assert_eq!(
            parts(true, std::slice::from_ref(&stopped)),
            [Part {
                running: false,
                led_last: true
            }]
        );
        let leads_again = Existing {
            leads: true,
            present: true,
            ..stopped
        };
        assert_eq!(
            parts(false, &[leads_again]),
            [Part {
                running: true,
                led_last: false
            }]
        );
    }
}
