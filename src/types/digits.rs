//! Numbers and addresses in digits, which most requests have some of written.

use std::io::Write;
use std::net::IpAddr;

/// Appends a number in decimal.
pub fn push_number(text: &mut Vec<u8>, number: impl itoa::Integer) {
    text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends an address as [`IpAddr`]'s own `Display` has it.
pub fn push_address(text: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            let [first, rest @ ..] = v4.octets();
            push_number(text, first);
            for octet in rest {
                text.push(b'.');
                push_number(text, octet);
            }
        }
        // A Vec takes whatever it is given.
        IpAddr::V6(v6) => drop(write!(text, "{v6}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_what_display_writes(number: u64, v4: [u8; 4], v6: [u16; 8]) {
            for address in [IpAddr::from(v4), IpAddr::from(v6)] {
                let mut text = b"at ".to_vec();
                push_address(&mut text, address);
                prop_assert_eq!(String::from_utf8(text).unwrap(), format!("at {address}"));
            }
            let mut text = Vec::new();
            push_number(&mut text, number);
            prop_assert_eq!(String::from_utf8(text).unwrap(), number.to_string());
        }
    }
}
