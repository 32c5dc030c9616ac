//! The command line.

use crate::resolve::Mapping;
use clap::Parser;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Where to listen, whom to let in, and where models are found.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "contract-router",
    version,
    about = "A model router written to the runbook's registry contract"
)]
pub struct Args {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value_t = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))]
    pub listen: SocketAddr,

    /// Environment whose rows are looked at
    #[arg(long, default_value = "development")]
    pub environment: String,

    /// A key that callers may use; repeatable. Without one, nobody is let in
    #[arg(long)]
    pub api_key: Vec<String>,

    /// PostgreSQL with the table model_registry_entries
    #[arg(long, value_name = "URL")]
    pub postgres: Option<String>,

    /// Redis that keeps found rows
    #[arg(long, value_name = "URL")]
    pub redis: Option<String>,

    /// Seconds that found rows are kept; 0 keeps none
    #[arg(long, default_value_t = 120)]
    pub cache_ttl: u64,

    /// Seconds that this router keeps found rows in its own memory besides, where nobody can delete them; 0 keeps none
    #[arg(long, default_value_t = 0)]
    pub memory_ttl: u64,

    /// An address of a name in endpoints, NAME=ADDRESS:PORT or NAME:PORT=ADDRESS:PORT; repeatable
    #[arg(long, value_name = "NAME=ADDRESS:PORT")]
    pub resolve: Vec<Mapping>,

    /// File with such mappings, one a line, read again for every request
    #[arg(long)]
    pub resolve_file: Option<PathBuf>,

    /// A model that is always routed, MODEL=ADDRESS:PORT; repeatable
    #[arg(long = "static", value_name = "MODEL=ADDRESS:PORT")]
    pub fixed: Vec<Mapping>,
}
