//! The examples of opsorch; this library itself is empty.
