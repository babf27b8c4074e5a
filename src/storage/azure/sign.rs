//! Signing of requests with an account's key or a shared access signature.
//!
//! Account keys: "Authorize with Shared Key", Azure Storage REST documentation. What is signed is the request as it is
//! sent, so this runs last and anew for every try.

use std::{fmt, fmt::Write as _, sync::Arc};

use azure_core::http::{AsyncRawResponse, Context, Request, policies::Policy};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::domain::secret::Secret;

/// The standard headers of the text to sign, in its order.
const SIGNED_HEADERS: [&str; 11] = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// Signs with the key of the account.
pub(super) struct SharedKey {
    account: String,
    key: Vec<u8>,
}

impl SharedKey {
    /// Fails when the key is no base64.
    pub(super) fn new(account: &str, key: &Secret) -> Result<Self, String> {
        Ok(Self {
            account: account.to_owned(),
            key: BASE64_STANDARD
                .decode(key.expose().trim())
                .map_err(|_| "the account's key is no base64 text".to_owned())?,
        })
    }

    fn sign(&self, request: &mut Request, now: DateTime<Utc>) -> Result<(), String> {
        let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        request.insert_header("x-ms-date", date);
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(|error| error.to_string())?;
        mac.update(text_to_sign(&self.account, request).as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        request.insert_header("authorization", format!("SharedKey {}:{signature}", self.account));
        Ok(())
    }
}

/// The key is not shown.
impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedKey")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

fn text_to_sign(account: &str, request: &Request) -> String {
    let mut text = format!("{}\n", request.method().as_str());
    let headers = request.headers();
    for name in SIGNED_HEADERS {
        let value = headers.get_optional_str(&name.into()).unwrap_or_default();
        // A length of nothing is left empty.
        if name != "content-length" || value != "0" {
            text.push_str(value);
        }
        text.push('\n');
    }
    let mut own: Vec<(String, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_ascii_lowercase(), value.as_str()))
        .filter(|(name, _)| name.starts_with("x-ms-"))
        .collect();
    own.sort();
    for (name, value) in own {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}:{}", value.trim());
    }
    let _ = write!(text, "/{account}{}", request.url().path());
    let mut query: Vec<(String, String)> = request
        .url()
        .query_pairs()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()))
        .collect();
    query.sort();
    for (name, value) in query {
        let _ = write!(text, "\n{name}:{value}");
    }
    text
}

/// Adds a shared access signature to what is sent, and to nothing that outlives the request.
pub(super) struct SharedAccess {
    query: Secret,
}

impl SharedAccess {
    /// Fails when there is no signature in it.
    pub(super) fn new(signature: &Secret) -> Result<Self, String> {
        let query = signature.expose().trim().trim_start_matches('?');
        if query.split('&').any(|pair| pair.starts_with("sig=")) {
            Ok(Self { query: query.into() })
        } else {
            Err("the shared access signature has no part sig=".to_owned())
        }
    }
}

/// The signature is not shown.
impl fmt::Debug for SharedAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedAccess").finish_non_exhaustive()
    }
}

type Sent<'a> = BoxFuture<'a, azure_core::Result<AsyncRawResponse>>;

impl Policy for SharedKey {
    fn send<'s, 'c, 'v, 'r, 'n, 'a>(
        &'s self,
        context: &'c Context<'v>,
        request: &'r mut Request,
        next: &'n [Arc<dyn Policy>],
    ) -> Sent<'a>
    where
        's: 'a,
        'c: 'a,
        'r: 'a,
        'n: 'a,
        Self: 'a,
    {
        Box::pin(async move {
            self.sign(request, Utc::now()).map_err(other)?;
            pass_on(context, request, next).await
        })
    }
}

impl Policy for SharedAccess {
    fn send<'s, 'c, 'v, 'r, 'n, 'a>(
        &'s self,
        context: &'c Context<'v>,
        request: &'r mut Request,
        next: &'n [Arc<dyn Policy>],
    ) -> Sent<'a>
    where
        's: 'a,
        'c: 'a,
        'r: 'a,
        'n: 'a,
        Self: 'a,
    {
        Box::pin(async move {
            let plain = request.url().clone();
            let query = match plain.query() {
                Some(query) => format!("{query}&{}", self.query.expose()),
                None => self.query.expose().to_owned(),
            };
            request.url_mut().set_query(Some(&query));
            let answer = pass_on(context, request, next).await;
            *request.url_mut() = plain;
            answer
        })
    }
}

async fn pass_on(
    context: &Context<'_>,
    request: &mut Request,
    next: &[Arc<dyn Policy>],
) -> azure_core::Result<AsyncRawResponse> {
    match next.split_first() {
        Some((policy, rest)) => policy.send(context, request, rest).await,
        // The SDK always ends with the one that sends.
        None => Err(other("nothing sends the request".to_owned())),
    }
}

fn other(message: String) -> azure_core::Error {
    azure_core::Error::with_message(azure_core::error::ErrorKind::Other, message)
}

#[cfg(test)]
mod tests {
    use azure_core::http::{Method, Url};

    use super::*;

    #[test]
    fn the_text_to_sign_has_the_headers_the_path_and_the_query_in_their_order() {
        let url = "https://h/acc/cont?restype=container&comp=list&prefix=a%2Fb%20c";
        let mut request = Request::new(Url::parse(url).unwrap(), Method::Get);
        request.insert_header("x-ms-version", "2021-06-08");
        request.insert_header("x-ms-date", "Sat, 21 Nov 2026 07:00:00 GMT");
        request.insert_header("range", "bytes=0-9");
        request.insert_header("content-length", "0");
        assert_eq!(
            text_to_sign("acc", &request),
            "GET\n\n\n\n\n\n\n\n\n\n\nbytes=0-9\nx-ms-date:Sat, 21 Nov 2026 07:00:00 GMT\nx-ms-version:2021-06-08\n\
             /acc/acc/cont\ncomp:list\nprefix:a/b c\nrestype:container"
        );
    }

    #[test]
    fn a_key_must_be_base64_and_a_shared_access_signature_must_have_one() {
        assert!(SharedKey::new("acc", &Secret::new("not base64!")).is_err());
        assert!(SharedKey::new("acc", &Secret::new("aGVsbG8=\n")).is_ok());
        assert!(SharedAccess::new(&Secret::new("?sv=1&sig=abc")).is_ok());
        assert!(SharedAccess::new(&Secret::new("sv=1&se=2")).is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = SharedKey::new("acc", &Secret::new("aGVsbG8=")).unwrap();
        let access = SharedAccess::new(&Secret::new("sig=hunter2")).unwrap();
        let shown = format!("{key:?} {access:?}");
        assert!(
            shown.contains("acc") && !shown.contains("104") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
