//! [`Config`](super::Config) as people write it.
