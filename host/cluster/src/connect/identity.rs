//! Which cluster this is, and who we are in it.

use serde_json::json;

use crate::api::{ApiClient, ApiError};
use crate::pods::text;

/// UID of the `kube-system` namespace, which lives as long as the cluster. Where it may not be read, the server's
/// address stands in for it.
pub(super) async fn cluster_uid(api: &ApiClient, server: &str) -> Result<String, ApiError> {
    let path = "/api/v1/namespaces/kube-system";
    let found = match api.get_once(path).await {
        // A server that answers is there, however busy: it is worth a wait. One that does not answer is told at once.
        Err(error) if error.code.is_some() && error.is_transient() => api.get(path).await,
        other => other,
    };
    match found {
        Ok(namespace) => Ok(namespace["metadata"]["uid"]
            .as_str()
            .map_or_else(|| from_address(server), str::to_owned)),
        Err(error) if error.code == Some(403) || error.is_not_found() => Ok(from_address(server)),
        Err(error) => Err(error),
    }
}

fn from_address(server: &str) -> String {
    let address = server.rsplit_once("://").map_or(server, |(_, address)| address);
    let clean: String = address
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
        .collect();
    format!("server-{clean}")
}

/// Name of the user that the API server takes us for.
pub(super) async fn who_am_i(api: &ApiClient) -> Result<String, ApiError> {
    let question = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let answer = api
        .create("/apis/authentication.k8s.io/v1/selfsubjectreviews", &question)
        .await?;
    Ok(text(&answer["status"]["userInfo"]["username"]).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_a_safe_directory_name() {
        assert_eq!(from_address("https://[::1]:6443/a"), "server----1--6443-a");
        assert_eq!(from_address("https://10.0.0.1:6443"), "server-10.0.0.1-6443");
    }
}
