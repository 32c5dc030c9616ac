//! The routers' cache in Redis: entries of models that were ready up to two minutes ago.

use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::time::Instant;
use vllm_rollback_engine::failure::{Failure, FailureKind};

use super::dsn::Dsn;

/// Longest wait for a connection, and for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Time for which a deleted entry has to stay away. A router that read the row just before it was disabled may write the
/// entry just after it was deleted; that gap is one round trip long.
const SETTLE: Duration = Duration::from_millis(400);
const POLL: Duration = Duration::from_millis(50);

/// Ways to deal with an entry that routers still hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheMode {
    /// Delete it.
    Delete,
    /// Wait until it expires, at most this long (the runbook's entries live 120 s). For caches that may only be read.
    Wait(Duration),
}

/// The cache.
pub struct Cache {
    client: redis::Client,
    mode: CacheMode,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cache({:?})", self.mode)
    }
}

impl Cache {
    /// The longest that the runbook's entries live.
    pub const RUNBOOK_TTL: Duration = Duration::from_secs(120);

    /// A cache at a `redis://` URL.
    ///
    /// # Errors
    /// `Usage` when it is not such a URL.
    pub fn new(url: &Dsn, mode: CacheMode) -> Result<Self, Failure> {
        let client = redis::Client::open(url.expose()).map_err(|_| {
            Failure::usage(format!("the URL in {} is not a Redis URL", url.origin()))
                .next("it looks like redis://:PASSWORD@HOST:6379/0; TLS (rediss://) is not supported")
        })?;
        Ok(Self { client, mode })
    }

    /// Can be asked at all.
    pub(super) async fn assert_reachable(&self) -> Result<(), Failure> {
        self.connect().await.map(|_| ())
    }

    /// Drops the entry after a change of the row; the proof comes later.
    pub(super) async fn drop_entry(&self, key: &str) -> Result<(), Failure> {
        if self.mode != CacheMode::Delete {
            return Ok(());
        }
        let mut connection = self.connect().await?;
        delete(&mut connection, key).await.map(|_| ()).map_err(|e| trouble(&e))
    }

    /// Waits until no entry is there and none comes back; a line of evidence.
    pub(super) async fn confirm_gone(&self, key: &str, end: Instant) -> Result<String, Failure> {
        let mut connection = self.connect().await?;
        match self.mode {
            CacheMode::Delete => stay_gone(&mut connection, key, end).await,
            CacheMode::Wait(longest) => expire(&mut connection, key, end.min(Instant::now() + longest)).await,
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|e| trouble(&e))
    }
}

async fn stay_gone(connection: &mut MultiplexedConnection, key: &str, end: Instant) -> Result<String, Failure> {
    let mut deleted = 0;
    let mut gone_since = None;
    loop {
        if delete(connection, key).await.map_err(|e| trouble(&e))? {
            deleted += 1;
            gone_since = None;
        }
        let now = Instant::now();
        if now - *gone_since.get_or_insert(now) >= SETTLE {
            let times = if deleted == 0 {
                "was absent".to_owned()
            } else {
                format!("deleted {deleted} time(s)")
            };
            return Ok(format!(
                "Redis key {key}: {times}, and absent for {} ms since",
                SETTLE.as_millis()
            ));
        }
        if now >= end {
            return Err(Failure::timeout(format!("Redis key {key} comes back again and again"))
                .because(format!(
                    "it was deleted {deleted} times; somebody writes it although the row is disabled"
                ))
                .next("look for a router that reads another database"));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn expire(connection: &mut MultiplexedConnection, key: &str, end: Instant) -> Result<String, Failure> {
    let start = Instant::now();
    loop {
        // -2: no such key; -1: it never expires (PTTL, Redis 2.8 and newer).
        let ms: i64 = redis::cmd("PTTL")
            .arg(key)
            .query_async(connection)
            .await
            .map_err(|e| trouble(&e))?;
        let left = match u64::try_from(ms) {
            Ok(ms) => Duration::from_millis(ms),
            Err(_) if ms == -2 => {
                return Ok(format!(
                    "Redis key {key}: absent after {:.1} s of waiting",
                    start.elapsed().as_secs_f64()
                ));
            }
            Err(_) => return Err(still_there(key, "it never expires")),
        };
        if Instant::now() + left > end {
            return Err(still_there(
                key,
                &format!("it lives {} s longer, which is too long", left.as_secs()),
            ));
        }
        tokio::time::sleep(left.clamp(Duration::from_millis(1), Duration::from_secs(1))).await;
    }
}

fn still_there(key: &str, why: &str) -> Failure {
    Failure::timeout(format!("Redis key {key} still sends traffic to the model"))
        .because(why)
        .next("delete it instead of waiting: --redis del")
}

/// Deletes the key; whether it was there.
async fn delete(connection: &mut MultiplexedConnection, key: &str) -> redis::RedisResult<bool> {
    let count: i64 = redis::cmd("DEL").arg(key).query_async(connection).await?;
    Ok(count > 0)
}

fn trouble(error: &redis::RedisError) -> Failure {
    let kind = match error.code() {
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => FailureKind::Forbidden,
        _ => FailureKind::Unreachable,
    };
    // A server's text may quote the arguments of a command, but DEL and PTTL have no secret ones.
    Failure::new(kind, "the routers' cache in Redis cannot be read")
        .because(error.to_string())
        .next("check the URL of Redis, or run without it when no router caches")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_none_is_refused_without_its_password() {
        for text in ["rediss://:hunter2@r", "http://:hunter2@r", "hunter2"] {
            let failure = Cache::new(&Dsn::new(text, "$CACHE").unwrap(), CacheMode::Delete).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Usage, "{text}");
            assert!(!failure.to_string().contains("hunter2"), "{failure}");
        }
    }
}
