//! Replicas that are reached by URL.

use async_trait::async_trait;
use reqwest::{Client, Response, Url};
use secrecy::{ExposeSecret as _, SecretString};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_registry::{Ask, Reply, RouterLink};

use super::MAX_BYTES;

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
            Failure::new(FailureKind::Usage, format!("the router's URL {url} cannot be used"))
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
impl RouterLink for UrlLink {
    async fn replicas(&self) -> Result<Vec<String>, Failure> {
        let names = self
            .urls
            .iter()
            .map(|url| url.as_str().trim_end_matches('/').to_owned());
        Ok(names.collect())
    }

    async fn send(&self, replica: &str, ask: &Ask) -> Result<Reply, Failure> {
        let url = format!("{replica}{}", ask.path);
        let mut request = match &ask.post {
            None => self.client.get(&url),
            Some(body) if body.is_null() => self.client.post(&url),
            Some(body) => self.client.post(&url).json(body),
        };
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose_secret());
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
        let response = request.timeout(ask.timeout).send().await.map_err(failed)?;
        Ok(Reply {
            status: response.status().as_u16(),
            headers: headers(response.headers()),
            body: body(response).await.map_err(failed)?,
        })
    }
}

pub(super) fn headers(map: &http::HeaderMap) -> Vec<(String, String)> {
    map.iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect()
}

async fn body(mut response: Response) -> Result<String, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_BYTES {
            bytes.truncate(MAX_BYTES);
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
