//! The content of an object as it arrives, and how it is collected.

use std::{ops::Range, time::Duration};

use futures::{StreamExt as _, stream::BoxStream};

use super::{Bytes, LARGEST_READ, StorageError, StorageErrorKind};

/// Pieces of an object in their order. It ends with the object, or with the first error.
pub type Body<'a> = BoxStream<'a, Result<Bytes, StorageError>>;

/// For the whole of a content that is read into memory.
const WHOLE: Duration = Duration::from_mins(1);

/// Collects a body in bounded time and size: a store may say one length and send another.
pub(super) async fn collect(
    mut body: Body<'_>,
    limit: u64,
    request: impl Fn() -> String,
) -> Result<Vec<u8>, StorageError> {
    let pieces = async {
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece?);
            if bytes.len() as u64 > limit {
                let detail = format!("more than {limit} bytes");
                return Err(StorageError::new(StorageErrorKind::TooLarge, request(), detail));
            }
        }
        Ok(bytes)
    };
    tokio::time::timeout(WHOLE, pieces).await.map_err(|_| {
        let detail = format!("no end of the content in {WHOLE:?}");
        StorageError::new(StorageErrorKind::Unreachable, request(), detail)
    })?
}

/// A whole object, of what `read` opens.
pub(super) async fn whole<'a>(
    read: impl Future<Output = Result<Body<'a>, StorageError>>,
    request: impl Fn() -> String,
) -> Result<Vec<u8>, StorageError> {
    collect(read.await?, LARGEST_READ, request).await
}

/// Some bytes of an object, of what `read` opens; none are asked for where none are wanted.
pub(super) async fn part<'a, R>(
    range: Range<u64>,
    read: impl FnOnce(Range<u64>) -> R,
    request: impl Fn() -> String,
) -> Result<Vec<u8>, StorageError>
where
    R: Future<Output = Result<Body<'a>, StorageError>>,
{
    if range.is_empty() {
        return Ok(Vec::new());
    }
    let limit = (range.end - range.start).min(LARGEST_READ);
    collect(read(range).await?, limit, request).await
}
