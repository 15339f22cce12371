//! A body on its way through: decoded, rewritten, encoded again, piece by piece.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use lol_html::HtmlRewriter;

use super::Injection;
use super::coding::{Broken, Coding, Decoder, Encoder};
use super::progress::Progress;

/// Octets that are decoded at a time.
const PIECE: usize = 16 * 1024;
/// Octets of a page that are rewritten at a time: what is put into it meanwhile is held.
const STEP: usize = 16 * 1024;
/// Octets that are decoded before others have their turn: about a millisecond's work.
const TURN: usize = 128 * 1024;
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
    /// What of the piece is still to be rewritten.
    left: Range<usize>,
    progress: Rc<Progress>,
}

/// What there is of a new body.
#[derive(Debug, PartialEq, Eq)]
pub enum Pulled {
    /// Its next octets.
    Out(Bytes),
    /// Nothing until more of the old one has come.
    Hungry,
    /// Nothing yet, though there is more to do: others are to have their turn first.
    Busy,
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
        let progress = Rc::new(Progress::default());
        Self {
            decoder: Decoder::new(coding),
            rewriter: Some(HtmlRewriter::new(injection.settings(nonce, &progress), sink)),
            encoder,
            broken,
            input: Bytes::new(),
            piece: vec![0; PIECE].into(),
            left: 0..0,
            progress,
        }
    }

    /// Takes what has come of the body. Only once all that was given before has been pulled.
    pub fn push(&mut self, input: Bytes) {
        self.input = input;
    }

    /// What there is of the new body.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn pull(&mut self) -> Result<Pulled, Broken> {
        let mut done = 0;
        while self.encoder.borrow_mut().len() < OUT {
            if done >= TURN {
                return Ok(Pulled::Busy);
            }
            if self.left.is_empty() {
                let made = self.decoder.decode(&mut self.input, &mut self.piece)?;
                self.left = 0..made;
                if made == 0 && self.input.is_empty() {
                    return Ok(Pulled::Hungry);
                }
            }
            done += self.step()?;
        }
        Ok(Pulled::Out(self.encoder.borrow_mut().take()))
    }

    /// Rewrites a little of what has been decoded, and tells how much.
    fn step(&mut self) -> Result<usize, Broken> {
        let end = self.left.end.min(self.left.start + STEP);
        let step = self.piece.get(self.left.start..end).unwrap_or_default();
        self.left.start = end;
        let Some(rewriter) = &mut self.rewriter else {
            self.encoder.borrow_mut().write(step)?;
            return Ok(step.len());
        };
        self.progress.goes_on(step);
        if rewriter.write(step).is_err() {
            // All that it had was handed on as it is.
            self.rewriter = None;
            tracing::debug!(
                "a page needs too much memory to be rewritten: the rest of it is passed on as it is"
            );
        }
        if self.broken.get() { Err(Broken) } else { Ok(step.len()) }
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
