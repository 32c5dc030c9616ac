//! Registry drivers: how a model is taken out of traffic and put back as it was. Each is a folder in `drivers/`; beside it stands
//! what several of them need.

mod context;
mod driver_state;
pub mod drivers;
mod release_endpoints;
mod retained_pods;
mod router;
mod status;

pub use context::{DriverContext, DriverSettings};
pub use drivers::{DriverFlags, DriverKeys, DriverName, Drivers};
pub use status::Statuses;
