//! The parts of an exchange that are the same on both ways.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use tokio::time::Instant;
use vllm_rollback_engine::ports::checks::HttpError;
use vllm_rollback_objects::http::{Request, Response};

/// The message that goes out, to the URI given.
pub(super) fn message(request: &Request, uri: &str) -> Result<http::Request<Bytes>, HttpError> {
    let mut message = http::Request::new(request.body.clone());
    message.method_mut().clone_from(&request.method);
    message.headers_mut().clone_from(&request.headers);
    *message.uri_mut() = uri
        .parse()
        .map_err(|_| HttpError::Denied(format!("the path {:?} cannot be sent", request.path)))?;
    Ok(message)
}

/// The whole answer, of at most `limit` bytes.
pub(super) async fn answer<B>(
    head: http::Response<B>,
    started: Instant,
    first_byte: Duration,
    limit: usize,
) -> Result<Response, HttpError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = head.into_parts();
    let body = match Limited::new(body, limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(HttpError::TooLarge(format!("the answer is larger than {limit} bytes")));
        }
        Err(error) => return Err(HttpError::Unreachable(format!("the answer broke off: {error}"))),
    };
    Ok(Response {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
        first_byte,
        total: started.elapsed(),
    })
}

/// A deadline passed while this was waited for.
pub(super) fn late(what: &str, after: Duration) -> HttpError {
    HttpError::Timeout(format!("no {what} within {:.1} s", after.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_stays_a_deadline_for_the_check() {
        assert_eq!(
            late("answer", Duration::from_secs(3)),
            HttpError::Timeout("no answer within 3.0 s".to_owned())
        );
    }
}
