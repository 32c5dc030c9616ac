//! Reads straight from the API server: milliseconds, where a kubectl process costs a tenth of a second.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::http;

/// The API server with the administrator's token.
#[derive(Debug, Clone)]
pub struct Api {
    server: String,
    ca: PathBuf,
    token: String,
}

impl Api {
    /// With these credentials.
    pub fn new(server: &str, ca: &Path, token: &str) -> Self {
        Self {
            server: server.to_owned(),
            ca: ca.to_owned(),
            token: token.to_owned(),
        }
    }

    /// Server, CA file and token, for whoever connects by other means.
    pub fn credentials(&self) -> (String, PathBuf, String) {
        (self.server.clone(), self.ca.clone(), self.token.clone())
    }

    /// Reads a path; none when the server does not answer 200.
    pub fn get(&self, path: &str) -> Option<Value> {
        let ca = std::fs::read(&self.ca).ok()?;
        http::block_on(async {
            let certificate = reqwest::Certificate::from_pem(&ca).ok()?;
            let client = http::client(Duration::from_secs(10))
                .tls_certs_only([certificate])
                .build()
                .ok()?;
            let response = client
                .get(format!("{}{path}", self.server))
                .bearer_auth(&self.token)
                .send()
                .await
                .ok()?;
            if !response.status().is_success() {
                return None;
            }
            response.json().await.ok()
        })
    }
}
