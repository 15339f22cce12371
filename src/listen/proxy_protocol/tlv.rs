//! What a header says beside the addresses: types, lengths, values (specification §2.2.1 ff).

use std::fmt;

use super::Malformed;

const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const UNIQUE_ID: u8 = 0x05;
const SSL: u8 = 0x20;
const SSL_VERSION: u8 = 0x21;
const SSL_CN: u8 = 0x22;
const SSL_CIPHER: u8 = 0x23;
const SSL_SIG_ALG: u8 = 0x24;
const SSL_KEY_ALG: u8 = 0x25;
const NETNS: u8 = 0x30;

/// Octets that a unique id may have.
const UNIQUE_ID_MAX: usize = 128;

/// What is said beside the addresses. Types that are not known are passed over, as the specification wants it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tlvs<'b> {
    /// The protocol that the proxy and its client agreed on.
    pub alpn: Option<&'b [u8]>,
    /// The host that the client asked for (SNI).
    pub authority: Option<&'b [u8]>,
    /// What the proxy knows the connection by.
    pub unique_id: Option<&'b [u8]>,
    /// The name of the network namespace that it came through.
    pub netns: Option<&'b [u8]>,
    /// TLS between the client and the proxy.
    pub ssl: Option<Ssl<'b>>,
}

/// TLS between the client and the proxy.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ssl<'b> {
    /// Bits: 1 over TLS, 2 with a certificate over this connection, 4 with one in this session.
    pub client: u8,
    /// Whether the client has shown a certificate that was found good.
    pub is_verified: bool,
    /// The version, like `TLSv1.3`.
    pub version: Option<&'b [u8]>,
    /// The certificate's common name.
    pub common_name: Option<&'b [u8]>,
    /// The cipher.
    pub cipher: Option<&'b [u8]>,
    /// The algorithm that signed the certificate.
    pub signature: Option<&'b [u8]>,
    /// The algorithm of its key.
    pub key: Option<&'b [u8]>,
}

impl<'b> Tlvs<'b> {
    /// Reads all of `bytes`, which stand at the end of the header `whole`.
    pub(super) fn parse(bytes: &'b [u8], whole: &'b [u8]) -> Result<Self, Malformed> {
        let mut tlvs = Self::default();
        let mut sum = None;
        for_each(bytes, |kind, value, rest| match kind {
            ALPN => once(&mut tlvs.alpn, value),
            AUTHORITY => once(&mut tlvs.authority, value),
            NETNS => once(&mut tlvs.netns, value),
            UNIQUE_ID if value.len() > UNIQUE_ID_MAX => Err(Malformed::Tlv),
            UNIQUE_ID => once(&mut tlvs.unique_id, value),
            SSL => once(&mut tlvs.ssl, Ssl::parse(value)?),
            CRC32C => {
                let said = <[u8; 4]>::try_from(value).map_err(|_| Malformed::Tlv)?;
                once(&mut sum, (u32::from_be_bytes(said), rest.len()))
            }
            _ => Ok(()),
        })?;
        match sum {
            Some((said, behind)) if checksum(whole, behind) != Some(said) => Err(Malformed::Checksum),
            _ => Ok(tlvs),
        }
    }
}

/// The sum of a header, taken with zeroes where it stands: in the four octets before the last `behind`.
fn checksum(whole: &[u8], behind: usize) -> Option<u32> {
    let (before, after) = whole.split_at_checked(whole.len().checked_sub(behind)?)?;
    let before = before.get(..before.len().checked_sub(4)?)?;
    let sum = crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]);
    Some(crc32c::crc32c_append(sum, after))
}

impl<'b> Ssl<'b> {
    fn parse(bytes: &'b [u8]) -> Result<Self, Malformed> {
        let (fixed, rest) = bytes.split_first_chunk::<5>().ok_or(Malformed::Tlv)?;
        let [client, verify @ ..] = *fixed;
        // A result of 0 says that what was shown is good; whether anything was shown, the bits say.
        let is_verified = client & 0x06 != 0 && verify == [0; 4];
        let mut ssl = Self { client, is_verified, ..Self::default() };
        for_each(rest, |kind, value, _| match kind {
            SSL_VERSION => once(&mut ssl.version, value),
            SSL_CN => once(&mut ssl.common_name, value),
            SSL_CIPHER => once(&mut ssl.cipher, value),
            SSL_SIG_ALG => once(&mut ssl.signature, value),
            SSL_KEY_ALG => once(&mut ssl.key, value),
            _ => Ok(()),
        })?;
        Ok(ssl)
    }
}

/// Hands over each type and value, and what stands behind.
fn for_each<'b>(
    mut bytes: &'b [u8],
    mut take: impl FnMut(u8, &'b [u8], &'b [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    while let Some((&kind, rest)) = bytes.split_first() {
        let (len, rest) = rest.split_first_chunk::<2>().ok_or(Malformed::Tlv)?;
        let len = usize::from(u16::from_be_bytes(*len));
        let (value, rest) = rest.split_at_checked(len).ok_or(Malformed::Tlv)?;
        take(kind, value, rest)?;
        bytes = rest;
    }
    Ok(())
}

/// What is said twice, two readers could read differently.
fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Malformed> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::Tlv),
    }
}

/// As text for logs: whatever is in it, it stays on its line.
struct Shown<'b>(Option<&'b [u8]>);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => fmt::Debug::fmt(&String::from_utf8_lossy(bytes), f),
            None => f.write_str("-"),
        }
    }
}

impl fmt::Debug for Tlvs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tlvs")
            .field("alpn", &Shown(self.alpn))
            .field("authority", &Shown(self.authority))
            .field("unique_id", &Shown(self.unique_id))
            .field("netns", &Shown(self.netns))
            .field("ssl", &self.ssl)
            .finish()
    }
}

impl fmt::Debug for Ssl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ssl")
            .field("client", &self.client)
            .field("is_verified", &self.is_verified)
            .field("version", &Shown(self.version))
            .field("common_name", &Shown(self.common_name))
            .field("cipher", &Shown(self.cipher))
            .field("signature", &Shown(self.signature))
            .field("key", &Shown(self.key))
            .finish()
    }
}
