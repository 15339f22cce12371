//! The gateway's HTTP/2, to the letter and against abuse: frames as they are on the wire.

mod abuse;
mod foreign;
mod frames;
mod letter;
mod windows;
