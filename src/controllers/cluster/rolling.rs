//! Which Pod may be replaced now. Pure: `StatefulSets` update on deletion only, and this decides about the deletion.
//!
//! Never two at a time, never while another instance is missing, the leader last. A Pod that is not ready anyway goes
//! first: the new template may be the cure.

/// One instance's Pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each seen by itself"
)]
pub struct Candidate {
    /// Name of the Pod.
    pub pod: String,
    /// The Pod is there and not on its way out.
    pub present: bool,
    /// It is ready.
    pub ready: bool,
    /// It was made from another template than the `StatefulSet` has now.
    pub outdated: bool,
    /// It leads.
    pub leads: bool,
}

/// The Pod to delete now so that it comes back from the new template, if any may be.
#[must_use]
pub fn next(candidates: &[Candidate]) -> Option<&str> {
    let missing = candidates.iter().filter(|candidate| !candidate.present).count();
    if missing > 0 {
        return None;
    }
    let unready: Vec<&Candidate> = candidates.iter().filter(|candidate| !candidate.ready).collect();
    match unready.as_slice() {
        [] => {
            let outdated = || candidates.iter().filter(|candidate| candidate.outdated);
            outdated()
                .find(|candidate| !candidate.leads)
                .or_else(|| outdated().next())
        }
        // Replacing a leader that does not get ready is right only if there is nobody else to lead.
        [only] => (only.outdated && (!only.leads || candidates.len() == 1)).then_some(*only),
        several => several
            .iter()
            .find(|candidate| candidate.outdated && !candidate.leads)
            .copied(),
    }
    .map(|candidate| candidate.pod.as_str())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{Candidate, next};

    /// `l` leads, `o` outdated, `u` not ready, `m` missing.
    fn candidates(shapes: &[&str]) -> Vec<Candidate> {
        shapes
            .iter()
            .enumerate()
            .map(|(position, shape)| Candidate {
                pod: position.to_string(),
                present: !shape.contains('m'),
                ready: !shape.contains('u') && !shape.contains('m'),
                outdated: shape.contains('o'),
                leads: shape.contains('l'),
            })
            .collect()
    }

    #[rstest]
    #[case::nothing_to_do(&["l", "", ""], None)]
    #[case::replicas_first(&["lo", "o", "o"], Some("1"))]
    #[case::one_at_a_time(&["lo", "u", "o"], None)]
    #[case::not_while_one_is_missing(&["lo", "m", "o"], None)]
    #[case::the_leader_last(&["lo", "", ""], Some("0"))]
    #[case::a_single_instance(&["lo"], Some("0"))]
    #[case::what_is_not_ready_may_be_cured(&["l", "uo", ""], Some("1"))]
    #[case::a_leader_that_is_not_ready_is_left_to_patroni(&["luo", "", ""], None)]
    #[case::a_lonely_one_is_not(&["luo"], Some("0"))]
    #[case::nobody_leads_and_nobody_is_ready(&["uo", "uo"], Some("0"))]
    fn pods_are_replaced_in_a_safe_order(#[case] shapes: &[&str], #[case] expected: Option<&str>) {
        assert_eq!(next(&candidates(shapes)), expected);
    }
}
