//! Providers that are child processes.
