//! What was found where a proof was looked for.

/// Of a text that is no proof, so many characters are told: enough to see what it is, too few to learn another's token.
const EXCERPT: usize = 16;
/// So many texts are told of.
const EXCERPTS: usize = 3;

/// What was there instead of a proof. It tells no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Sign {
    /// No TXT record.
    #[error(
        "there is no TXT record (a new one can take as long to be seen as the old answer's time to live)"
    )]
    NoRecord,
    /// TXT records that say other things, in excerpts.
    #[error("no TXT record there has the token; they say {}", .0.join(", "))]
    OtherTexts(Vec<String>),
    /// No answer of DNS.
    #[error("DNS gave no answer: are the domain's name servers in order?")]
    NoDns,
    /// No address.
    #[error("the domain has no address in DNS")]
    NoAddress,
    /// Only addresses that are not connected to.
    #[error(
        "the domain's address is not a public one, and not connected to; networks of your own can be listed under \
         `tenancy.verification.allow`"
    )]
    NotPublic,
    /// No connection.
    #[error("no connection to port 80 of the domain's address")]
    Unreachable,
    /// No whole answer in time.
    #[error("there was no answer within 5 s")]
    Late,
    /// No answer that can be read.
    #[error("the answer broke off, or is no HTTP")]
    Broken,
    /// Another status than 200.
    #[error("it answers with status {0}, not 200")]
    Status(u16),
    /// A redirect.
    #[error("it answers with a redirect ({0}), which is not followed: this path has to be answered itself")]
    Redirect(u16),
    /// Too long an answer.
    #[error("it answers with more than 1 KiB, not with the token alone")]
    TooLong,
    /// Another text, in an excerpt.
    #[error("it answers with {0}, not with the token")]
    OtherPage(String),
}

impl Sign {
    pub(super) fn other_texts(texts: &[Vec<u8>]) -> Self {
        Self::OtherTexts(texts.iter().take(EXCERPTS).map(|text| excerpt(text)).collect())
    }

    pub(super) fn other_page(page: &[u8]) -> Self {
        Self::OtherPage(excerpt(page))
    }
}

/// The beginning of a text, in quotation marks, without what a terminal would obey.
fn excerpt(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut characters = text.trim().chars();
    let begin: String = characters.by_ref().take(EXCERPT).flat_map(char::escape_debug).collect();
    let more = if characters.next().is_some() { "…" } else { "" };
    format!("\"{begin}{more}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_told_by_its_beginning() {
        assert_eq!(excerpt(b" v=spf1 -all\n"), "\"v=spf1 -all\"");
        assert_eq!(excerpt(b"0123456789abcdefg"), "\"0123456789abcdef…\"");
        assert_eq!(excerpt(b"\x1b[2J\xff"), "\"\\u{1b}[2J\u{fffd}\"");
    }
}
