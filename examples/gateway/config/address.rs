//! The address of an instance.

use std::fmt;

use http::{
    Uri,
    uri::{Authority, PathAndQuery, Scheme},
};

/// The address of an instance: `http://`, a host, and a port if it isn't 80.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address(Authority);

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let accepted = "use one such as \"http://10.0.0.7:8080\"";
        let refused = |why: &str| format!("{text:?} is not an instance's address: {why}; {accepted}");
        let uri: Uri = text.parse().map_err(|_| refused("it is no URI"))?;
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => {}
            Some(scheme) => return Err(refused(&format!("{scheme} is not spoken here"))),
            None => return Err(refused("it has no http:// in front")),
        }
        let authority = uri.authority().ok_or_else(|| refused("it has no host"))?;
        if authority.host().is_empty() {
            return Err(refused("it has no host"));
        }
        if authority.as_str().contains('@') {
            return Err(refused("it has a user"));
        }
        // `port` returns `None` for a missing port and for one that is out of range.
        let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        if !port.is_empty() && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(refused("it has no port that one could connect to"));
        }
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
            return Err(refused("it has a path"));
        }
        Ok(Self(authority.clone()))
    }

    /// Returns host and port, which are the instance's default name.
    pub(crate) fn name(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn with_path(&self, path: PathAndQuery) -> Uri {
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(self.0.clone());
        uri.path_and_query(path).build().expect("it has all parts of a URI")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}
