//! HTTP to the router and to hosts that a grant names.

use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use reqwest::Url;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::checks::HttpError;
use vllm_rollback_objects::http::{Request, Response};

use super::address::{CheckedResolver, RefusedAddress};
use crate::bearer::Bearer;

/// Most headers of an answer.
const MAX_HEADERS: usize = 100;

/// A server that the operator named: a URL below which a check may ask, and the token that the host adds.
#[derive(Clone)]
pub struct Endpoint {
    base: Url,
    auth: Option<Bearer>,
}

impl Endpoint {
    /// Reads a URL such as `https://router.example/llm`.
    ///
    /// # Errors
    /// `Usage` when it is not an http(s) URL, or carries a user, a password, a query or a fragment. The text never repeats
    /// the URL, since a password may be what is wrong with it.
    pub fn parse(url: &str, auth: Option<Bearer>) -> Result<Self, Failure> {
        let wrong = |what: &str| {
            Err(Failure::usage(format!("the URL {what}"))
                .next("write it as https://HOST[:PORT][/PATH]; tokens go into a file or variable"))
        };
        let Ok(base) = Url::parse(url) else {
            return wrong("cannot be read");
        };
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return wrong("is not http:// or https:// with a host");
        }
        if !base.username().is_empty() || base.password().is_some() {
            return wrong("carries a user or password");
        }
        if base.query().is_some() || base.fragment().is_some() {
            return wrong("has a query or fragment");
        }
        if auth.as_ref().is_some_and(|token| token.header().is_none()) {
            return Err(Failure::usage("the token has characters that a header cannot have"));
        }
        Ok(Self { base, auth })
    }

    /// The URL for a path that was admitted.
    fn url(&self, path: &str) -> Option<Url> {
        let prefix = self.base.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{prefix}{path}")).ok()?;
        // The rules for paths see to it; this is what they are for.
        let below = url.origin() == self.base.origin() && url.as_str().starts_with(prefix);
        below.then_some(url)
    }
}

/// The URL; never the token.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self}, auth: {:?})", self.auth)
    }
}

/// Sends requests to endpoints. One for the whole run, so that connections are shared; set up at the first request, because
/// reading the system's certificates takes longer than loading all checks.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    resolver: CheckedResolver,
    http: Arc<OnceLock<Result<reqwest::Client, HttpError>>>,
}

impl Client {
    /// A client that resolves names by the operating system.
    pub(crate) fn new() -> Self {
        Self::with(CheckedResolver::System)
    }

    fn with(resolver: CheckedResolver) -> Self {
        Self {
            resolver,
            http: Arc::default(),
        }
    }

    fn http(&self) -> Result<&reqwest::Client, HttpError> {
        self.http
            .get_or_init(|| build(&self.resolver))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Sends one request.
    pub(crate) async fn send(&self, endpoint: &Endpoint, request: Request) -> Result<Response, HttpError> {
        let timeout = request.timeout;
        tokio::time::timeout(timeout, self.exchange(endpoint, request))
            .await
            .unwrap_or_else(|_| {
                Err(HttpError::Timeout(format!(
                    "no complete answer within {} ms",
                    timeout.as_millis()
                )))
            })
    }

    async fn exchange(&self, endpoint: &Endpoint, request: Request) -> Result<Response, HttpError> {
        let Some(url) = endpoint.url(&request.path) else {
            return Err(HttpError::Denied("the path leaves what was granted".to_owned()));
        };
        let mut headers = request.headers;
        if let Some(value) = endpoint.auth.as_ref().and_then(Bearer::header) {
            headers.insert(http::header::AUTHORIZATION, value);
        }
        // Its length says how long the body of a GET would be.
        let has_body = request.method != http::Method::HEAD;
        let sent = Instant::now();
        let call = self
            .http()?
            .request(request.method, url)
            .headers(headers)
            .body(request.body);
        let mut answer = call.send().await.map_err(|error| explain(&error))?;
        let first_byte = sent.elapsed();
        let body = if has_body {
            read(&mut answer, request.max_response).await?
        } else {
            Bytes::new()
        };
        let mut response = Response {
            status: answer.status().as_u16(),
            headers: std::mem::take(answer.headers_mut()),
            body,
            first_byte,
            total: sent.elapsed(),
        };
        if let Some(token) = &endpoint.auth {
            scrub(&mut response, token);
        }
        Ok(response)
    }
}

fn build(resolver: &CheckedResolver) -> Result<reqwest::Client, HttpError> {
    reqwest::Client::builder()
        .dns_resolver(Arc::new(resolver.clone()))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        // A proxy would resolve names itself, behind the back of the address check.
        .no_proxy()
        .referer(false)
        .http1_max_headers(MAX_HEADERS)
        .build()
        .map_err(|error| HttpError::Unreachable(format!("HTTP cannot be set up: {error}")))
}

async fn read(answer: &mut reqwest::Response, max: usize) -> Result<Bytes, HttpError> {
    let too_large = || HttpError::TooLarge(format!("the answer has more than {max} bytes"));
    if answer.content_length().is_some_and(|length| length > max as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| explain(&error))? {
        if body.len() + chunk.len() > max {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Takes the token out of everything that came back.
fn scrub(response: &mut Response, token: &Bearer) {
    response.body = token.scrub(&response.body);
    for value in response.headers.values_mut() {
        let clean = token.scrub(value.as_bytes());
        *value = http::HeaderValue::from_maybe_shared(clean).unwrap_or(http::HeaderValue::from_static("[redacted]"));
    }
}

/// The cause, without address: the innermost cause says it, and the layers above it repeat the URL.
fn explain(error: &reqwest::Error) -> HttpError {
    let causes = || std::iter::successors(error.source(), |&cause| cause.source());
    if let Some(refused) = causes().find_map(|cause| cause.downcast_ref::<RefusedAddress>()) {
        return HttpError::Denied(refused.to_string());
    }
    let what = if error.is_connect() {
        "no connection"
    } else if error.is_timeout() {
        return HttpError::Timeout("no complete answer in time".to_owned());
    } else {
        "the connection broke before the answer was complete"
    };
    let innermost = causes().last().map(|cause| format!(": {cause}")).unwrap_or_default();
    HttpError::Unreachable(format!("{what}{innermost}"))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use axum::Router;
    use axum::body::Body;
    use axum::http::HeaderMap;
    use axum::response::Redirect;
    use axum::routing::{get, post};

    use super::*;

    const TOKEN: &str = "test-0001-router-key";

    async fn serve() -> String {
        let app = Router::new()
            .route("/llm/hello", get(|| async { "hello" }))
            .route(
                "/llm/echo",
                post(|headers: HeaderMap, body: String| async move { format!("{headers:?} {body}") }),
            )
            .route(
                "/llm/away",
                get(|| async { Redirect::temporary("http://169.254.169.254/latest/meta-data") }),
            )
            .route("/llm/large", get(|| async { vec![b'x'; 2000] }))
            .route("/llm/slow", get(std::future::pending::<&'static str>))
            .route(
                "/llm/endless",
                get(|| async {
                    Body::from_stream(futures::stream::repeat_with(|| {
                        Ok::<_, std::io::Error>(vec![b'x'; 100])
                    }))
                }),
            );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}/llm")
    }

    fn client(resolver: CheckedResolver) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::with(resolver)
    }

    fn request(method: http::Method, path: &str) -> Request {
        Request {
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"question"),
            timeout: Duration::from_secs(10),
            max_response: 1000,
        }
    }

    async fn get_path(path: &str) -> Result<Response, HttpError> {
        let endpoint = Endpoint::parse(&serve().await, Bearer::new(TOKEN)).unwrap();
        client(CheckedResolver::System)
            .send(&endpoint, request(http::Method::GET, path))
            .await
    }

    #[tokio::test]
    async fn an_answer_comes_from_below_the_endpoints_path() {
        let answer = get_path("/hello").await.unwrap();
        assert_eq!((answer.status, answer.body.as_ref()), (200, b"hello".as_slice()));
        assert!(answer.first_byte <= answer.total);
    }

    #[tokio::test]
    async fn the_token_is_sent_and_taken_out_of_what_comes_back() {
        let endpoint = Endpoint::parse(&serve().await, Bearer::new(TOKEN)).unwrap();
        let answer = client(CheckedResolver::System)
            .send(&endpoint, request(http::Method::POST, "/echo"))
            .await
            .unwrap();
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(body.contains("Bearer [redacted]") && !body.contains(TOKEN), "{body}");
        assert!(body.ends_with("question"));
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        assert_eq!(get_path("/away").await.unwrap().status, 307);
    }

    #[tokio::test]
    async fn a_large_answer_is_refused_by_its_length_or_while_it_comes() {
        for path in ["/large", "/endless"] {
            assert!(matches!(get_path(path).await, Err(HttpError::TooLarge(_))), "{path}");
        }
    }

    #[tokio::test]
    async fn the_length_in_the_answer_to_a_head_request_is_no_body() {
        let endpoint = Endpoint::parse(&serve().await, None).unwrap();
        let answer = client(CheckedResolver::System)
            .send(&endpoint, request(http::Method::HEAD, "/large"))
            .await
            .unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, 0));
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_a_timeout() {
        let endpoint = Endpoint::parse(&serve().await, None).unwrap();
        let slow = Request {
            timeout: Duration::from_millis(50),
            ..request(http::Method::GET, "/slow")
        };
        let error = client(CheckedResolver::System).send(&endpoint, slow).await.unwrap_err();
        assert_eq!(error, HttpError::Timeout("no complete answer within 50 ms".to_owned()));
    }

    #[tokio::test]
    async fn a_closed_port_is_unreachable_and_the_text_tells_no_address() {
        let port = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}"), None).unwrap();
        let error = client(CheckedResolver::System)
            .send(&endpoint, request(http::Method::GET, "/"))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, HttpError::Unreachable(text) if text.contains("refused")),
            "{error:?}"
        );
        assert!(!error.to_string().contains("127.0.0.1") && !error.to_string().contains(&port.to_string()));
    }

    #[tokio::test]
    async fn a_name_that_leads_to_metadata_or_this_machine_is_denied() {
        for ip in [Ipv4Addr::new(169, 254, 169, 254), Ipv4Addr::LOCALHOST] {
            let resolver = CheckedResolver::Fixed(vec![IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(ip)]);
            let endpoint = Endpoint::parse("http://rebound.example/", None).unwrap();
            let error = client(resolver)
                .send(&endpoint, request(http::Method::GET, "/"))
                .await
                .unwrap_err();
            assert!(matches!(error, HttpError::Denied(_)), "{ip}: {error:?}");
        }
    }

    #[test]
    fn a_url_with_a_password_is_refused_without_repeating_it() {
        for bad in [
            "https://user:hunter2@router",
            "ftp://router",
            "router",
            "https://r?key=hunter2",
            "http://",
            "https://r#x",
        ] {
            let failure = Endpoint::parse(bad, None).unwrap_err();
            assert!(!format!("{failure:?}").contains("hunter2"), "{bad}");
        }
        let endpoint = Endpoint::parse("https://router.example/llm/", Bearer::new(TOKEN)).unwrap();
        assert_eq!(format!("{endpoint} {endpoint:?}").matches(TOKEN).count(), 0);
        assert_eq!(
            endpoint.url("/v1/models").unwrap().as_str(),
            "https://router.example/llm/v1/models"
        );
    }
}
