//! The library (this guide is completed at the end).

mod clock;
mod config;
mod context;
mod error;
mod ops;
mod provider;
mod registry;

pub mod audit;
pub mod capability;
pub mod gate;
pub mod layer;
pub mod secret;
pub mod store;
pub mod transport;

pub use async_trait::async_trait;
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{Config, ProviderEntry, StoreConfig};
pub use context::Context;
pub use error::{Error, ErrorKind, Result};
pub use gate::Submitted;
pub use ops::*;
pub use opsorch_schema::*;
pub use provider::Provider;
pub use registry::{BuildEnv, ProviderConfig, Registry};
