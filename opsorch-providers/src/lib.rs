//! Providers for opsorch.
