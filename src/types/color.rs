//! A colour as style sheets know it: parsed strictly, written in one form.

use std::fmt;
use std::str::FromStr;

/// An opaque colour in sRGB, eight bits a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Color {
    /// Red.
    pub red: u8,
    /// Green.
    pub green: u8,
    /// Blue.
    pub blue: u8,
}

/// Why a text is no colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a colour that is known here\nwrite it like \"#2457f5\", \"#25f\" or \"rgb(36, 87, 245)\"")]
pub struct InvalidColor;

impl Color {
    /// White.
    pub const WHITE: Self = Self { red: 255, green: 255, blue: 255 };
    /// Black.
    pub const BLACK: Self = Self { red: 0, green: 0, blue: 0 };

    /// Its relative luminance, 0 for black to 1 for white (WCAG 2.2, "relative luminance").
    #[must_use]
    pub fn luminance(self) -> f64 {
        let channel = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(self.red) + 0.7152 * channel(self.green) + 0.0722 * channel(self.blue)
    }

    /// The contrast of two colours, 1 to 21 (WCAG 2.2, "contrast ratio").
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// It, mixed with `percent` parts in a hundred of another.
    #[must_use]
    pub fn mixed(self, other: Self, percent: u8) -> Self {
        let percent = u32::from(percent.min(100));
        let channel = |own: u8, other: u8| {
            let sum = u32::from(own) * (100 - percent) + u32::from(other) * percent;
            u8::try_from((sum + 50) / 100).unwrap_or(u8::MAX)
        };
        Self {
            red: channel(self.red, other.red),
            green: channel(self.green, other.green),
            blue: channel(self.blue, other.blue),
        }
    }
}

impl FromStr for Color {
    type Err = InvalidColor;

    fn from_str(text: &str) -> Result<Self, InvalidColor> {
        let text = text.trim();
        let channels = match text.strip_prefix('#') {
            Some(digits) => hex(digits),
            None => rgb(text),
        };
        channels.map(|[red, green, blue]| Self { red, green, blue }).ok_or(InvalidColor)
    }
}

fn hex(digits: &str) -> Option<[u8; 3]> {
    let digits: Vec<u8> = digits.chars().map(|c| c.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    match *digits.as_slice() {
        [r, g, b] => Some([r * 17, g * 17, b * 17]),
        [r1, r2, g1, g2, b1, b2] => Some([r1 * 16 + r2, g1 * 16 + g2, b1 * 16 + b2]),
        _ => None,
    }
}

fn rgb(text: &str) -> Option<[u8; 3]> {
    let inner = text.strip_prefix("rgb(")?.strip_suffix(')')?;
    let parts: Vec<&str> = match inner.contains(',') {
        true => inner.split(',').map(str::trim).collect(),
        false => inner.split_whitespace().collect(),
    };
    let channel = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    match *parts.as_slice() {
        [r, g, b] => Some([channel(r)?, channel(g)?, channel(b)?]),
        _ => None,
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_has_three_spellings() {
        let blue = Color { red: 36, green: 87, blue: 245 };
        for text in ["#2457f5", "#2457F5", "rgb(36, 87, 245)", "rgb(36 87 245)", " #2457f5 "] {
            assert_eq!(text.parse(), Ok(blue), "{text}");
        }
        assert_eq!("#25f".parse::<Color>().unwrap().to_string(), "#2255ff");
        for text in [
            "",
            "#",
            "#12",
            "#12345",
            "#1234567",
            "red",
            "rgb(1,2)",
            "rgb(1,2,256)",
            "rgb(+1,2,3)",
            "#ggg",
            "#fff;}",
        ] {
            assert_eq!(text.parse::<Color>(), Err(InvalidColor), "{text}");
        }
    }

    #[test]
    fn contrast_is_as_published() {
        assert!((Color::BLACK.contrast(Color::WHITE) - 21.0).abs() < 1e-9);
        // A known pair: #777777 on white is 4.48:1, just below AA.
        let grey: Color = "#777".parse().unwrap();
        assert!((grey.contrast(Color::WHITE) - 4.48).abs() < 0.01);
        assert_eq!(grey.mixed(Color::BLACK, 100), Color::BLACK);
        assert_eq!(grey.mixed(Color::WHITE, 0), grey);
    }
}
