//! The colours of a brand, made so that everyone can read them: WCAG 2.2, level AA, in light and in dark.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::types::Color;

/// The least contrast of text (WCAG 2.2, 1.4.3).
pub(super) const AA: f64 = 4.5;

/// Custom properties as a style sheet.
#[derive(Debug)]
pub(super) struct Style {
    /// The style sheet: properties of `:root`, for light and for dark.
    pub(super) css: String,
}

/// The colours that text stands in, and on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Scheme {
    background: Color,
    text: Color,
    /// The brand's colour as it is, for surfaces; what stands on it.
    primary: Color,
    on_primary: Color,
    /// The brand's colour as text on the background.
    link: Color,
}

const PRIMARY: Color = Color { red: 0x24, green: 0x57, blue: 0xf5 };
const DARK: Color = Color { red: 0x14, green: 0x16, blue: 0x1c };
const INK: Color = Color { red: 0x1c, green: 0x1f, blue: 0x26 };
const CHALK: Color = Color { red: 0xea, green: 0xec, blue: 0xf0 };

impl Style {
    /// The style of these colours: `primary`, `background` and `text` have a meaning, all are properties.
    pub(super) fn of(colors: &BTreeMap<String, Color>) -> Self {
        let color = |name: &str| colors.get(name).copied();
        let primary = color("primary");
        let background = color("background").unwrap_or(Color::WHITE);
        let light = Scheme::of(primary.unwrap_or(PRIMARY), background, color("text").unwrap_or(INK));
        let is_dark = background.contrast(Color::WHITE) > background.contrast(Color::BLACK);
        // A brand that is dark by day stays as it is by night.
        let dark = match color("background-dark") {
            None if is_dark => light,
            night => Scheme::of(
                primary.unwrap_or(PRIMARY),
                night.unwrap_or(DARK),
                color("text-dark").unwrap_or(CHALK),
            ),
        };
        let mut css = String::from(":root{color-scheme:light dark;");
        light.write(&mut css);
        for (name, color) in colors {
            if !matches!(name.as_str(), "primary" | "background" | "text") {
                let _ = write!(css, "--brand-{name}:{color};");
            }
        }
        css.push_str("}@media (prefers-color-scheme:dark){:root{");
        dark.write(&mut css);
        css.push_str("}}");
        Self { css }
    }
}

impl Scheme {
    fn of(primary: Color, background: Color, text: Color) -> Self {
        Self {
            background,
            text: readable(text, background),
            primary,
            on_primary: best_on(primary),
            link: readable(primary, background),
        }
    }

    fn write(&self, css: &mut String) {
        let Self { background, text, primary, on_primary, link } = self;
        let _ = write!(
            css,
            "--brand-primary:{primary};--brand-on-primary:{on_primary};--brand-background:{background};\
             --brand-text:{text};--brand-link:{link};"
        );
    }
}

/// Black or white, whichever stands out more. One of them always does by AA.
fn best_on(background: Color) -> Color {
    match background.contrast(Color::WHITE) >= background.contrast(Color::BLACK) {
        true => Color::WHITE,
        false => Color::BLACK,
    }
}

/// A colour that can be read on a background: itself, or as little as is needed nearer to black or white.
fn readable(color: Color, background: Color) -> Color {
    let towards = best_on(background);
    let mixed = (0..=100).map(|percent| color.mixed(towards, percent));
    mixed.into_iter().find(|mixed| mixed.contrast(background) >= AA).unwrap_or(towards)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_color() -> impl Strategy<Value = Color> {
        any::<(u8, u8, u8)>().prop_map(|(red, green, blue)| Color { red, green, blue })
    }

    proptest! {
        #[test]
        fn whatever_the_brand_is_its_text_can_be_read(primary in any_color(), background in any_color(), text in any_color()) {
            let scheme = Scheme::of(primary, background, text);
            prop_assert!(scheme.text.contrast(background) >= AA);
            prop_assert!(scheme.link.contrast(background) >= AA);
            prop_assert!(scheme.on_primary.contrast(primary) >= AA);
            prop_assert_eq!(scheme.primary, primary);
        }
    }

    #[test]
    fn what_can_be_read_stays_as_it_is() {
        assert_eq!(readable(PRIMARY, Color::WHITE), PRIMARY);
        let orange: Color = "#ff6600".parse().unwrap();
        assert_ne!(readable(orange, Color::WHITE), orange);
    }

    #[test]
    fn all_colours_are_properties() {
        let colors = [("primary", "#ff6600"), ("accent", "#123456")];
        let colors = colors.map(|(name, color)| (name.to_owned(), color.parse().unwrap())).into();
        let style = Style::of(&colors);
        assert!(style.css.contains("--brand-primary:#ff6600;"), "{}", style.css);
        assert!(style.css.contains("--brand-accent:#123456;"), "{}", style.css);
        assert!(style.css.contains("prefers-color-scheme:dark"), "{}", style.css);
    }
}
