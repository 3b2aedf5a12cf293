//! Tests of the store in PostgreSQL.
#![allow(missing_docs)]
