//! The examples of opsorch. This library is empty but for the code in the documents, which runs as documentation tests.

#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    mod readme {}
    #[doc = include_str!("../docs/gate.md")]
    mod gate {}
    #[doc = include_str!("../docs/security-model.md")]
    mod security_model {}
    #[doc = include_str!("../docs/adapter-guide.md")]
    mod adapter_guide {}
}
