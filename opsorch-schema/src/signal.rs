//! A toolbox for metrics and logs: what providers and surfaces would otherwise each write for themselves.
//!
//! * [`Step`] and [`Window`]: a span of time in steps, aligned, widened until it fits a vendor's limit, or cut into windows.
//! * [`Gap`] and [`gaps`]: where a series has no points. [`Dropped`]: samples that are no points, counted.
//! * [`unit`](mod@unit): one name for a unit, however a vendor spells it.
//! * [`downsample`]: fewer points with the same extremes.
//! * [`labels`]: one text and one fingerprint for the same labels; what they have in common; filters.
//!
//! ```
//! use opsorch_schema::Time;
//! use opsorch_schema::signal::{Step, Window};
//!
//! let start: Time = "2026-01-01T00:00:07Z".parse()?;
//! let end: Time = "2026-01-02T00:00:00Z".parse()?;
//! let window = Window::new(start, end, Step::SECOND).unwrap().widened(1000);
//! assert_eq!(window.step().as_millis(), 87_000);
//! assert!(window.points() <= 1000);
//! # Ok::<(), chrono::ParseError>(())
//! ```

pub use downsample::downsample;
pub use gap::{Dropped, Gap, gaps};
pub use window::{Step, Window};

mod downsample;
mod gap;
pub mod labels;
pub mod unit;
mod window;
