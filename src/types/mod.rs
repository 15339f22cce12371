//! Values that the whole gateway speaks in: parsed once at the edge, valid ever after.
//!
//! Layer 0: nothing here imports another module of the crate, does I/O or reads a clock.

mod access;
mod arrivals;
mod attribute;
mod bind;
mod certificate;
mod color;
mod cookie;
mod encryption_key;
mod host;
mod id;
mod key_hash;
mod labels;
mod origin_pattern;
mod path;
mod path_template;
mod pattern;
mod peer;
mod percent;
mod request_id;
mod revocation_list;
mod secret;
mod signing_key;
mod units;
mod untaken;
mod value_test;
mod web_host;
mod wording;

pub use access::Access;
pub use arrivals::Arrivals;
pub use attribute::{Place, is_safe_url};
pub use bind::BindAddress;
pub use certificate::Certificate;
pub use color::{Color, InvalidColor};
pub use cookie::cookie;
pub use encryption_key::{EncryptionFault, EncryptionKey, EncryptionKeys, InvalidEncryptionKey};
pub use host::{HostName, InvalidHost};
pub use id::{InvalidTenantId, TenantId};
pub use key_hash::KeyHash;
pub use labels::{Labelled, Labels};
pub use origin_pattern::{InvalidOriginPattern, OriginPattern, SaidOrigin};
pub use path::{InvalidPath, has_dots, normalise, resolved, with_slashes, without_parameters};
pub use path_template::{InvalidTemplate, PathSegment, PathTemplate};
pub use pattern::{InvalidPattern, Pattern};
pub use peer::Peer;
pub use percent::{InvalidPercent, Percent};
pub use request_id::RequestIds;
pub use revocation_list::RevocationList;
pub use secret::Secret;
pub use signing_key::{InvalidSigningKey, SigningKey};
pub use units::{ByteSize, InvalidUnit, Rate, TimeSpan};
pub use untaken::Untaken;
pub use value_test::ValueTest;
pub use web_host::{InvalidWebHost, Scheme, WebHost, WebHosts};
pub use wording::{FieldValue, InvalidWording, Placeholder, Wording};
