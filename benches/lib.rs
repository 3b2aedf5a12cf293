//! The benchmarks of opsorch; this library itself is empty.
