//! Replicas that are reached by URL.

use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::drivers::RouterClient;
use vllm_rollback_objects::http::{Request, Response};

/// HTTP to the replicas' URLs.
pub(super) struct UrlLink {
    client: Client,
    urls: Vec<Url>,
    key: Option<SecretString>,
}

impl UrlLink {
    /// To these replicas.
    ///
    /// # Errors
    /// Usage, for a URL that cannot be used.
    pub(super) fn new(urls: &[String], key: Option<SecretString>) -> Result<Self, Failure> {
        let wrong = |url: &str, error: &dyn std::error::Error| {
            Failure::usage(format!("the router's URL {url} cannot be used"))
                .because(error.to_string())
                .next("write it like http://api-router:8080")
        };
        // A connection that was kept may be closed by the other side at the moment it is used again, and a change is not sent twice.
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build();
        Ok(Self {
            client: client.map_err(|error| wrong(urls.first().map(String::as_str).unwrap_or_default(), &error))?,
            urls: urls
                .iter()
                .map(|url| Url::parse(url).map_err(|error| wrong(url, &error)))
                .collect::<Result<_, _>>()?,
            key,
        })
    }
}

#[async_trait]
impl RouterClient for UrlLink {
    async fn replicas(&self) -> Result<Vec<String>, Failure> {
        let names = self
            .urls
            .iter()
            .map(|url| url.as_str().trim_end_matches('/').to_owned());
        Ok(names.collect())
    }

    async fn send(&self, replica: &str, request: &Request) -> Result<Response, Failure> {
        let url = format!("{replica}{}", request.path);
        let mut sending = self
            .client
            .request(request.method.clone(), &url)
            .headers(request.headers.clone());
        if !request.body.is_empty() {
            sending = sending.body(request.body.clone());
        }
        if let Some(key) = &self.key {
            sending = sending.bearer_auth(key.expose_secret());
        }
        let failed = |error: reqwest::Error| {
            let kind = if error.is_timeout() {
                FailureKind::Timeout
            } else {
                FailureKind::Unreachable
            };
            Failure::new(kind, format!("the router at {replica} gives no answer"))
                .caused_by(&error.without_url())
                .next(format!("curl -i {url}"))
        };
        let begin = Instant::now();
        let answer = sending.timeout(request.timeout).send().await.map_err(failed)?;
        let first_byte = begin.elapsed();
        Ok(Response {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: body(answer, request.max_response).await.map_err(failed)?,
            first_byte,
            total: begin.elapsed(),
        })
    }
}

/// The body, or the begin of it.
async fn body(mut answer: reqwest::Response, most: usize) -> Result<Bytes, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > most {
            bytes.truncate(most);
            break;
        }
    }
    Ok(bytes.into())
}
