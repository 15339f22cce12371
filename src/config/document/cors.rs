//! Cross-origin requests.

use std::sync::Arc;
use std::time::Duration;

use crate::types::OriginPattern;

/// What is said of cross-origin requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsSetting {
    /// They are the application's own affair.
    Off,
    /// The gateway answers for them.
    On(Arc<Cors>),
}

/// Which pages may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Their origins; at least one.
    pub origins: Vec<OriginPattern>,
    /// The methods that they may use.
    pub methods: CorsNames,
    /// The fields that they may send.
    pub headers: CorsNames,
    /// The fields of responses that they may read.
    pub exposed: CorsNames,
    /// Whether they may send cookies and other credentials. Not together with any origin at all.
    pub credentials: bool,
    /// For how long what a preflight was told may be remembered; `None`: as the browser likes.
    pub max_age: Option<Duration>,
    /// Whether pages of the public network may ask a private one.
    pub private_network: bool,
}

/// Names of methods or fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsNames {
    /// Whichever is asked for.
    Any,
    /// These.
    Listed(Vec<String>),
}
