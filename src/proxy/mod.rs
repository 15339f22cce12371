//! The spine: what happens to a request, in one straight function, and its books.

mod agreement;
mod arrival;
mod attempts;
mod circuit;
mod cors;
mod decision;
mod edge;
mod exchange;
mod expiry;
mod forward;
mod framing;
mod gates;
mod grpc;
mod https_redirect;
mod mirroring;
mod own_domain;
mod page;
mod pipeline;
mod problem;
mod rehearsal;
mod rejection;
mod response;
mod retrying;
mod rewriting;
mod seating;
mod snapshot;
mod sticky;
mod tunnel;

pub use gates::Witness;
pub use grpc::GrpcStatus;
pub use pipeline::Proxy;
pub use rehearsal::{Onward, Outcome, Rehearsal};
pub use rejection::Rejection;
pub use response::ResponseBody;
pub use snapshot::{ListenerTerms, Listeners, RouteTarget, Snapshot, SnapshotCell};
