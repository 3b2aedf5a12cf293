//! Datadog.
