//! What every test stands on: a gateway in process or as the binary, origins that behave and
//! origins that don't, and clients that say exactly the bytes a test wants said.
//!
//! Nothing here sleeps for a guessed time. A test waits for what it wants to see
//! ([`eventually`]), opens a [`Gate`] when an origin may go on, and gives up at [`DEADLINE`].

mod client;
mod config;
mod gate;
mod gateway;
mod h2_client;
mod h2_origin;
mod message;
mod origin;
mod peer;
mod process;
mod wait;
mod websocket;

pub use client::Client;
pub use config::{ACME, Config, GLOBEX, config};
pub use gate::Gate;
pub use gateway::{ADMIN_TOKEN, TestGateway};
pub use h2_client::{H2Client, H2Response, block_on, read, send_body};
pub use h2_origin::{H2Origin, Respond, greet, read_request, refuse, say, serve_h2};
pub use message::{Ending, Message, Request, Response, fingerprint, get, post, request};
pub use origin::{Origin, refused_address};
pub use peer::Silence;
pub use process::{Process, tollgate};
pub use wait::{DEADLINE, eventually, eventually_async, eventually_some};
pub use websocket::{Farewell, websocket, websocket_echo};
