//! The examples of opsorch. This library is empty but for the code in the documents, which runs as documentation tests.

#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    #[doc = include_str!("../docs/gate.md")]
    #[doc = include_str!("../docs/adapter-guide.md")]
    #[doc = include_str!("../docs/security-model.md")]
    mod all {}
}
