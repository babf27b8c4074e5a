//! The merge patch that leads from Patroni's dynamic configuration to the desired one.
//!
//! The desired document is the whole: what it does not name is removed (by null, as Patroni understands it), so that a
//! parameter taken out of the CR goes away. Except `pause`, which people set by `patronictl pause` and must be able to.

use serde_json::{Map, Value};

/// Top-level keys that are not ours unless the desired document names them.
const THEIRS: [&str; 1] = ["pause"];

/// The patch, or nothing when there is nothing to change. A desired document that is no object, or empty, wants nothing.
#[must_use]
pub fn patch(current: &Value, desired: &Value) -> Option<Value> {
    let desired = desired.as_object().filter(|desired| !desired.is_empty())?;
    let empty = Map::new();
    let current = current.as_object().unwrap_or(&empty);
    let mut patch = between(current, desired);
    for key in THEIRS {
        if !desired.contains_key(key) {
            patch.remove(key);
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

fn between(current: &Map<String, Value>, desired: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, value) in current {
        // A null in the desired document is the same as not naming the key.
        if !value.is_null() && desired.get(key).is_none_or(Value::is_null) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    for (key, wanted) in desired {
        match (current.get(key), wanted) {
            (_, Value::Null) => {}
            (Some(Value::Object(is)), Value::Object(wanted)) => {
                let inner = between(is, wanted);
                if !inner.is_empty() {
                    patch.insert(key.clone(), Value::Object(inner));
                }
            }
            (Some(is), wanted) if is == wanted => {}
            (_, Value::Object(wanted)) => {
                // Merging into what is no object replaces it; nulls would then stay behind as values.
                patch.insert(key.clone(), Value::Object(between(&Map::new(), wanted)));
            }
            (_, wanted) => {
                patch.insert(key.clone(), wanted.clone());
            }
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// As Patroni merges (RFC 7396).
    fn merged(current: &Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else {
            return patch.clone();
        };
        let mut result = current.as_object().cloned().unwrap_or_default();
        for (key, value) in patch {
            if value.is_null() {
                result.remove(key);
            } else {
                let merged = merged(result.get(key).unwrap_or(&Value::Null), value);
                result.insert(key.clone(), merged);
            }
        }
        Value::Object(result)
    }

    #[test]
    fn equal_documents_need_no_patch() {
        let document = json!({"ttl": 30, "postgresql": {"parameters": {"jit": "off"}}});
        assert_eq!(patch(&document, &document), None);
    }

    #[test]
    fn changed_added_and_removed_parameters_are_in_the_patch_and_nothing_else() {
        let current = json!({"ttl": 30, "postgresql": {"parameters": {"jit": "off", "work_mem": "4MB"}, "use_slots": false}});
        let desired = json!({"ttl": 30, "postgresql": {"parameters": {"jit": "on", "max_wal_size": "2GB"}, "use_slots": false}});
        assert_eq!(
            patch(&current, &desired),
            Some(
                json!({"postgresql": {"parameters": {"jit": "on", "max_wal_size": "2GB", "work_mem": null}}})
            )
        );
    }

    #[test]
    fn a_desired_null_removes_and_is_not_asked_for_twice() {
        let desired = json!({"ttl": 30, "standby_cluster": null});
        assert_eq!(
            patch(&json!({"ttl": 30, "standby_cluster": {"host": "x"}}), &desired),
            Some(json!({"standby_cluster": null}))
        );
        assert_eq!(patch(&json!({"ttl": 30}), &desired), None);
    }

    #[test]
    fn a_pause_by_hand_stays() {
        assert_eq!(
            patch(&json!({"ttl": 30, "pause": true}), &json!({"ttl": 30})),
            None
        );
    }

    #[test]
    fn no_desired_document_leaves_everything_alone() {
        assert_eq!(patch(&json!({"ttl": 30}), &Value::Null), None);
        assert_eq!(patch(&json!({"ttl": 30}), &json!({})), None);
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..3i32).prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop::collection::btree_map("[a-c]", inner, 1..3)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
        })
    }

    proptest! {
        #[test]
        fn the_patch_leads_to_the_desired_document(current in document(), desired in document()) {
            prop_assume!(current.is_object() && desired.is_object());
            let after = patch(&current, &desired).map_or(current.clone(), |patch| merged(&current, &patch));
            prop_assert_eq!(&after, &desired);
            prop_assert_eq!(patch(&after, &desired), None);
        }
    }
}
