//! One client's connection to the gateway, and what can go wrong with a request on it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::wire::Wire;

/// A gateway that does not accept for so long has failed the request.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A connection that is open unless the last answer announced its end.
pub struct Client {
    address: SocketAddr,
    wire: Option<Wire>,
}

#[derive(Clone, Copy, Debug)]
pub enum Failure {
    Connect,
    Write,
    /// Closed or reset before the answer was whole, or no answer that can be read.
    Answer,
}

impl Failure {
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Write => "write",
            Self::Answer => "answer",
        }
    }
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, wire: None }
    }

    /// Connects where it has to; a connection that is there is kept.
    pub async fn connect(&mut self) -> Result<&mut Wire, Failure> {
        let wire = match self.wire.take() {
            Some(wire) => wire,
            None => match tokio::time::timeout(CONNECT_MAX, TcpStream::connect(self.address)).await {
                Ok(Ok(stream)) => Wire::new(stream).map_err(|_| Failure::Connect)?,
                Ok(Err(_)) | Err(_) => return Err(Failure::Connect),
            },
        };
        Ok(self.wire.insert(wire))
    }

    /// Sends `request` and reads its answer; returns the status. A kept connection that turns out to have
    /// been closed is replaced once: every client does that.
    pub async fn ask(&mut self, request: &[u8]) -> Result<u16, Failure> {
        if self.wire.is_some()
            && let Some(status) = self.try_ask(request).await?
        {
            return Ok(status);
        }
        self.try_ask(request).await?.ok_or(Failure::Answer)
    }

    /// `None` where the connection was closed before a byte of the answer.
    async fn try_ask(&mut self, request: &[u8]) -> Result<Option<u16>, Failure> {
        let kept = self.wire.is_some();
        let wire = self.connect().await?;
        if wire.write(request).await.is_err() {
            self.wire = None;
            return if kept { Ok(None) } else { Err(Failure::Write) };
        }
        match wire.answer().await {
            Ok(Some(answer)) => {
                if answer.closes {
                    self.wire = None;
                }
                Ok(Some(answer.status))
            }
            Ok(None) => {
                self.wire = None;
                Ok(None)
            }
            Err(_) => {
                self.wire = None;
                Err(Failure::Answer)
            }
        }
    }
}
