//! SCRAM verifiers: made for a password, and checked against one.
//!
//! A verifier has a random salt, so "is this the verifier of that password" is answered by acting both sides of the
//! protocol: the client's proof for the verifier's salt must lead back to the stored key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use sha2::{Digest as _, Sha256};

/// The verifier to store for `password`: `existing` if it is one of it, else a new one.
#[must_use]
pub fn ensure(existing: Option<String>, password: &str) -> String {
    match existing {
        Some(verifier) if accepts(&verifier, password) => verifier,
        _ => postgres_protocol::password::scram_sha_256(password.as_bytes()),
    }
}

/// Whether a server that stores `verifier` would let `password` in. False for anything that is not a SCRAM verifier.
#[must_use]
pub fn accepts(verifier: &str, password: &str) -> bool {
    proof_fits(verifier, password).unwrap_or(false)
}

fn proof_fits(verifier: &str, password: &str) -> Option<bool> {
    // SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>
    let rest = verifier.strip_prefix("SCRAM-SHA-256$")?;
    let (parameters, keys) = rest.split_once('$')?;
    let (iterations, salt) = parameters.split_once(':')?;
    let (stored_key, _) = keys.split_once(':')?;
    let stored_key = STANDARD.decode(stored_key).ok()?;

    let mut client = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    let first = String::from_utf8(client.message().to_vec()).ok()?;
    let first_bare = first.strip_prefix("n,,")?;
    let nonce = first_bare.split_once("r=")?.1;
    let server_first = format!("r={nonce}server,s={salt},i={iterations}");
    client.update(server_first.as_bytes()).ok()?;
    let last = String::from_utf8(client.message().to_vec()).ok()?;
    let (without_proof, proof) = last.rsplit_once(",p=")?;
    let proof = STANDARD.decode(proof).ok()?;

    let transcript = format!("{first_bare},{server_first},{without_proof}");
    let signature = hmac_sha256(&stored_key, transcript.as_bytes());
    let client_key: Vec<u8> = proof.iter().zip(signature).map(|(a, b)| a ^ b).collect();
    Some(Sha256::digest(client_key).as_slice() == stored_key)
}

/// HMAC of RFC 2104 for keys of at most one block, which SCRAM's are.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let padded = |pad: u8| {
        let mut block = [pad; 64];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block
    };
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::{accepts, ensure};

    #[test]
    fn a_verifier_is_kept_for_its_password_and_replaced_for_another() {
        for password in ["secret", "pässwörd ½", "{[()]}"] {
            let verifier = ensure(None, password);
            assert!(accepts(&verifier, password));
            assert_eq!(ensure(Some(verifier.clone()), password), verifier);
            let other = ensure(Some(verifier.clone()), "another");
            assert_ne!(other, verifier);
            assert!(accepts(&other, "another") && !accepts(&other, password));
        }
    }

    #[test]
    fn what_is_no_verifier_accepts_nothing() {
        for text in ["", "md5abc", "SCRAM-SHA-256$4096:xx", "SCRAM-SHA-256$x:y$z:w"] {
            assert!(!accepts(text, "secret"));
        }
    }
}
