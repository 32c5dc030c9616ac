//! The client, and new credentials for it when the API server no longer takes the old ones.
//!
//! kube asks a credential plugin again only when the credential said when it ends. Many do not say, so an answer 401
//! asks the plugin too, as kubectl does.

use std::sync::{PoisonError, RwLock};

use kube::{Client, Config};
use tokio::sync::Mutex;

/// A client that can be made again.
pub(crate) struct Credentials {
    /// Number of times it was made, and the last one.
    current: RwLock<(u32, Client)>,
    config: Config,
    renewing: Mutex<()>,
}

impl Credentials {
    /// `client` was made from this.
    pub(crate) fn new(client: Client, config: Config) -> Self {
        Self {
            current: RwLock::new((0, client)),
            config,
            renewing: Mutex::new(()),
        }
    }

    /// The client to use now, and which one it is.
    pub(crate) fn client(&self) -> (u32, Client) {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the credential plugin again, once for all callers that were refused with the same client. False when there
    /// is no plugin to ask, or when it does not give anything.
    pub(crate) async fn renew(&self, refused: u32) -> bool {
        if self.config.auth_info.exec.is_none() {
            return false;
        }
        let _one_at_a_time = self.renewing.lock().await;
        let (made, _) = self.client();
        if made != refused {
            return true;
        }
        let config = self.config.clone();
        // The plugin is a process that is waited for.
        match tokio::task::spawn_blocking(move || Client::try_from(config)).await {
            Ok(Ok(client)) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = (made + 1, client);
                true
            }
            Ok(Err(error)) => {
                tracing::warn!("no new credentials: {}", super::ApiError::from(error).text());
                false
            }
            Err(_) => false,
        }
    }
}
