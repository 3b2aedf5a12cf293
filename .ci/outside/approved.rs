//! What a crate outside can say about an approved input. It can take one:
//!
//! ```
//! use opsorch::gate::Approved;
//! use opsorch::CreateTicket;
//!
//! fn title(input: Approved<'_, CreateTicket>) -> String {
//!     input.title.clone()
//! }
//! ```
//!
//! It cannot make one: not from its parts, which are private,
//!
//! ```compile_fail,E0451
//! use opsorch::gate::Approved;
//! use opsorch::CreateTicket;
//!
//! fn make(input: &CreateTicket) -> Approved<'_, CreateTicket> {
//!     Approved { input, permit: loop {} }
//! }
//! ```
//!
//! not by a constructor or a conversion,
//!
//! ```compile_fail,E0599
//! let approved = opsorch::gate::Approved::new(&opsorch::CreateTicket::new("disk full"));
//! ```
//!
//! ```compile_fail,E0277
//! let approved: opsorch::gate::Approved<'_, opsorch::CreateTicket> = opsorch::CreateTicket::new("disk full").into();
//! ```
//!
//! ```compile_fail,E0277
//! let approved: opsorch::gate::Approved<'_, opsorch::CreateTicket> = Default::default();
//! ```
//!
//! ```compile_fail,E0277
//! let approved: opsorch::gate::Approved<'_, opsorch::CreateTicket> = serde_json::from_str("{}").unwrap();
//! ```
//!
//! and the kit for tests has none to give.
//!
//! ```compile_fail,E0432
//! use opsorch_testkit::Approved;
//! ```
