//! The names of a test bed's Services, as an HTTP proxy: `cluster-names FILE`.

use contract_router::serve_names;
use std::io::{self, Write as _};
use std::path::PathBuf;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let file = std::env::args_os().nth(1).map(PathBuf::from);
    let file = file.ok_or_else(|| io::Error::other("usage: cluster-names FILE"))?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let listening = serde_json::json!({"listening": listener.local_addr()?.to_string()});
    writeln!(io::stdout(), "{listening}")?;
    serve_names(listener, file).await
}
