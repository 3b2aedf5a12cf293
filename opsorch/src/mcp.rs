//! The control plane over the Model Context Protocol.
