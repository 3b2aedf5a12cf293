//! For tests around opsorch.
