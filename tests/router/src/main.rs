//! The program around the library.

use clap::Parser as _;
use contract_router::{Args, serve};
use std::io::{self, Write as _};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let args = Args::parse();
    let listener = TcpListener::bind(args.listen).await?;
    let listening = serde_json::json!({"listening": listener.local_addr()?.to_string()});
    writeln!(io::stdout(), "{listening}")?;
    serve(listener, args).await
}
