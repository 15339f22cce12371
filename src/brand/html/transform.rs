//! A body on its way through: decoded, rewritten, encoded again, piece by piece.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use lol_html::HtmlRewriter;

use super::Injection;
use super::coding::{Broken, Coding, Decoder, Encoder};

/// Octets that are decoded at a time.
const PIECE: usize = 16 * 1024;
/// Octets that are handed on at a time.
const OUT: usize = 16 * 1024;

type Sink = Box<dyn FnMut(&[u8])>;

/// A body that is being rewritten. What it holds has a bound, whatever comes.
pub struct Transform {
    decoder: Decoder,
    /// `None` once the page has asked for more memory than it may: the rest goes through as it is.
    rewriter: Option<HtmlRewriter<'static, Sink>>,
    encoder: Rc<RefCell<Encoder>>,
    /// Where the encoder has failed.
    broken: Rc<Cell<bool>>,
    input: Bytes,
    piece: Box<[u8]>,
}

impl Transform {
    /// Rewrites a body of this coding. `nonce` is what the page's policy lets style sheets in by, where it needs one.
    #[must_use]
    pub fn new(injection: &Arc<Injection>, coding: Coding, nonce: Option<&str>) -> Self {
        let encoder = Rc::new(RefCell::new(Encoder::new(coding)));
        let broken = Rc::new(Cell::new(false));
        let (out, failed) = (Rc::clone(&encoder), Rc::clone(&broken));
        let sink: Sink = Box::new(move |chunk: &[u8]| {
            if out.borrow_mut().write(chunk).is_err() {
                failed.set(true);
            }
        });
        Self {
            decoder: Decoder::new(coding),
            rewriter: Some(HtmlRewriter::new(injection.settings(nonce), sink)),
            encoder,
            broken,
            input: Bytes::new(),
            piece: vec![0; PIECE].into(),
        }
    }

    /// Takes what has come of the body. Only once all that was given before has been pulled.
    pub fn push(&mut self, input: Bytes) {
        self.input = input;
    }

    /// The next octets of the new body; `None` where more of the old one is needed.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn pull(&mut self) -> Result<Option<Bytes>, Broken> {
        while self.encoder.borrow_mut().len() < OUT {
            let made = self.decoder.decode(&mut self.input, &mut self.piece)?;
            if made == 0 {
                if self.input.is_empty() {
                    return Ok(None);
                }
                continue;
            }
            let piece = self.piece.get(..made).unwrap_or_default();
            if let Some(rewriter) = &mut self.rewriter {
                if rewriter.write(piece).is_err() {
                    // All that it had was handed on as it is.
                    self.rewriter = None;
                    tracing::debug!(
                        "a page needs too much memory to be rewritten: the rest of it is passed on as it is"
                    );
                }
                if self.broken.get() {
                    return Err(Broken);
                }
            } else {
                self.encoder.borrow_mut().write(piece)?;
            }
        }
        Ok(Some(self.encoder.borrow_mut().take()))
    }

    /// All of the new body that there can be yet: the origin is waited for.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn flush(&mut self) -> Result<Option<Bytes>, Broken> {
        let mut encoder = self.encoder.borrow_mut();
        encoder.flush()?;
        let out = encoder.take();
        Ok((!out.is_empty()).then_some(out))
    }

    /// The last octets of the new body.
    ///
    /// # Errors
    /// [`Broken`]: the body ended too early.
    pub fn finish(&mut self) -> Result<Bytes, Broken> {
        if !self.decoder.is_complete() {
            return Err(Broken);
        }
        if let Some(rewriter) = self.rewriter.take() {
            // As with `write`: what it had is out.
            let _ = rewriter.end();
        }
        if self.broken.get() {
            return Err(Broken);
        }
        self.encoder.borrow_mut().finish()
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transform").field("input", &self.input.len()).finish_non_exhaustive()
    }
}
