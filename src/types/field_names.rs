//! Names of fields, known by how they were written before.

use std::cell::RefCell;
use std::fmt;

use http::HeaderName;
use http::header::InvalidHeaderName;

/// So many are known, at most.
const KNOWN: usize = 64;
/// Octets of one that is known, at most.
const LEN_MAX: usize = 31;

/// One worker's. Peers name the same fields again and again, and write them alike: what name that is has to be found out once. Of one that
/// is not in the standard library's list it also saves the memory that is taken for it.
pub struct FieldNames(RefCell<Box<[Option<Known>; KNOWN]>>);

struct Known {
    len: u8,
    written: [u8; LEN_MAX],
    name: HeaderName,
}

impl Default for FieldNames {
    fn default() -> Self {
        Self(RefCell::new(Box::new([const { None }; KNOWN])))
    }
}

impl fmt::Debug for FieldNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldNames").finish_non_exhaustive()
    }
}

impl FieldNames {
    /// The name that is written so.
    ///
    /// # Errors
    /// It is none.
    pub fn name(&self, written: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
        let mut known = self.0.borrow_mut();
        let Some(place) = place(written).and_then(|at| known.get_mut(at)) else {
            return HeaderName::from_bytes(written);
        };
        if let Some(known) = place.as_ref().filter(|known| known.written() == written) {
            return Ok(known.name.clone());
        }
        let name = HeaderName::from_bytes(written)?;
        // Whatever stood there has to be found out again.
        *place = Known::new(written, &name);
        Ok(name)
    }
}

impl Known {
    fn new(written: &[u8], name: &HeaderName) -> Option<Self> {
        let mut text = [0; LEN_MAX];
        text.get_mut(..written.len())?.copy_from_slice(written);
        Some(Self { len: written.len() as u8, written: text, name: name.clone() })
    }

    fn written(&self) -> &[u8] {
        self.written.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// Where a name stands, if it is not too long: of the forty that are the most usual nearly each has a place for itself, in lower case as with
/// capitals.
fn place(written: &[u8]) -> Option<usize> {
    let len = written.len();
    let (first, middle, last) = (*written.first()?, *written.get(len / 2)?, *written.last()?);
    if len > LEN_MAX {
        return None;
    }
    let mixed = usize::from(first) * 7 + usize::from(last) * 59 + usize::from(middle) * 36 + len * 45;
    Some(mixed % KNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_whether_it_was_known_or_not() {
        let names = FieldNames::default();
        let long = "x".repeat(LEN_MAX + 1);
        let written = ["Date", "DATE", "date", "X-Own", "x-own", "ETag", &"y".repeat(LEN_MAX), &long];
        for _ in 0..3 {
            for written in written {
                let name = names.name(written.as_bytes()).unwrap();
                assert_eq!(name, HeaderName::from_bytes(written.as_bytes()).unwrap());
            }
        }
    }

    #[test]
    fn those_that_have_one_place_are_told_apart() {
        let names = FieldNames::default();
        let at_one: Vec<String> = (0..2_000)
            .map(|n| format!("x-{n}"))
            .filter(|name| place(name.as_bytes()) == place(b"x-0"))
            .collect();
        assert!(at_one.len() > 3);
        for name in at_one.iter().chain(&at_one) {
            assert_eq!(names.name(name.as_bytes()).unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_is_no_name_is_none() {
        let names = FieldNames::default();
        for _ in 0..2 {
            assert!([&b""[..], b"a b", b"a:", b"\xe4", b"a\r\nb"].iter().all(|bad| names.name(bad).is_err()));
        }
    }
}
