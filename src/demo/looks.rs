//! How the demo's tenants look: colours, words and pictures, as their parts of the document.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A company that there is not.
struct Look {
    id: &'static str,
    /// What stands beside its mark, and how wide it is there in whatever font.
    word: (&'static str, u16),
    /// The word's colour by day and by night.
    ink: (&'static str, &'static str),
    /// A picture of 40 by 40, in SVG.
    mark: &'static str,
    /// What else there is of `branding`, six blanks in.
    rest: &'static str,
}

static LOOKS: [Look; 4] = [
    Look {
        id: "acme",
        word: ("Acme Rockets", 136),
        ink: ("#431407", "#ffedd5"),
        mark: r##"<circle cx="20" cy="20" r="20" fill="#c2410c"/><path d="M20 6c5 5 6 11 6 15l4 5v5l-6-3h-8l-6 3v-5l4-5c0-4 1-10 6-15z" fill="#fff7ed"/><circle cx="20" cy="18" r="3" fill="#c2410c"/>"##,
        rest: r##"
      name: Acme Rockets
      tagline: Everything that flies, delivered by Thursday.
      support_email: help@acme.test
      colors: { primary: "#c2410c", accent: "#f59e0b", background: "#fffaf5", text: "#2b1a10", background-dark: "#1c1410", text-dark: "#fdeee0" }
      rewrite:                  # no vendor's name in what is white-labelled
        - { select: "#vendor", remove: true }
        - { select: "#imprint", set_inner: "{{brand.name}}, 1 Mojave Road. Landings are not included." }
      texts:
        en: { maintenance: { title: We are refuelling, message: The launch pad is being swept. Countdown goes on shortly. } }
"##,
    },
    Look {
        id: "globex",
        word: ("Globex Energie", 150),
        ink: ("#134e4a", "#ccfbf1"),
        mark: r##"<circle cx="20" cy="20" r="20" fill="#0f766e"/><g fill="none" stroke="#f0fdfa" stroke-width="2.5"><circle cx="20" cy="20" r="12"/><ellipse cx="20" cy="20" rx="5" ry="12"/><path d="M8 20h24"/></g>"##,
        rest: r##"
      name: Globex Energie
      tagline: Strom für die ganze Welt, und morgen auch für den Rest.
      support_email: hilfe@globex.test
      language: de              # for clients that ask for none that there is
      colors: { primary: "#0f766e", accent: "#84cc16", background: "#f2faf8", text: "#0f2f2b", background-dark: "#0b1f1d", text-dark: "#d9f5ef" }
      rewrite:                  # a part of the page in its users' language
        - { select: "#hero", set_attributes: { lang: de } }
        - { select: "#welcome", set_inner: "Willkommen bei {{brand.name}}" }
        - { select: "#start", set_inner: "Auftrag anlegen" }
        - { select: "#imprint", set_inner: "{{brand.name}} GmbH, Cypress Creek" }
"##,
    },
    Look {
        id: "initech",
        word: ("Initech", 70),
        ink: ("#f5f3ff", "#f5f3ff"),
        mark: r##"<rect width="40" height="40" rx="8" fill="#a78bfa"/><path d="M11 10h18v5h-6v10h6v5H11v-5h6V15h-6z" fill="#1e1b3a"/>"##,
        rest: r##"
      name: Initech
      tagline: Have you seen the memo about the cover sheets?
      support_email: help@initech.test
      colors: { primary: "#a78bfa", accent: "#f472b6", background: "#16142a", text: "#eceafd" }   # dark, by day too
      rewrite:
        - { select: "#notice", set_inner: "From Monday on, all reports need the new cover sheet." }
"##,
    },
    Look {
        id: "umbrella",
        word: ("Umbrella", 92),
        ink: ("#4c0519", "#ffe4e6"),
        mark: r##"<rect width="40" height="40" rx="20" fill="#be123c"/><path d="M8 21a12 12 0 0 1 24 0c-2-2-6-2-8 0-2-2-6-2-8 0-2-2-6-2-8 0z" fill="#fff1f2"/><path d="M20 20v9a3 3 0 0 0 6 0" fill="none" stroke="#fff1f2" stroke-width="2"/>"##,
        rest: r##"
      name: Umbrella
      tagline: Votre santé, notre affaire.
      support_email: aide@umbrella.test
      language: fr
      colors: { primary: "#be123c", accent: "#fb7185", background: "#fff7f8", text: "#3b0a16" }
"##,
    },
];

/// A tenant's `branding`, as it stands below it; nothing where there is no such tenant.
pub(super) fn branding(id: &str) -> String {
    let Some(look) = LOOKS.iter().find(|look| look.id == id) else { return String::new() };
    let (logo, favicon) = (data_url(&look.logo()), data_url(&look.favicon()));
    format!("    branding:{}      logo: {logo}\n      favicon: {favicon}", look.rest)
}

impl Look {
    /// The mark, and the name beside it.
    fn logo(&self) -> String {
        let Self { mark, word: (word, width), ink: (day, night), .. } = self;
        let all = width + 50;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"40\" viewBox=\"0 0 {all} 40\">\
             <style>text{{font:700 20px system-ui,sans-serif;fill:{day}}}\
             @media(prefers-color-scheme:dark){{text{{fill:{night}}}}}</style>\
             {mark}<text x=\"50\" y=\"27\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\">{word}</text></svg>"
        )
    }

    fn favicon(&self) -> String {
        let mark = self.mark;
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 40 40\">{mark}</svg>")
    }
}

fn data_url(svg: &str) -> String {
    format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tenant_has_a_look_of_its_own() {
        let all: Vec<String> = LOOKS.iter().map(|look| branding(look.id)).collect();
        for (at, one) in all.iter().enumerate() {
            assert!(
                one.contains("\n      name: ") && one.contains("logo: data:image/svg+xml;base64,"),
                "{one}"
            );
            assert!(!one.ends_with('\n') && !one.contains("\n\n"), "{one}");
            assert!(!all.iter().skip(at + 1).any(|other| other == one));
        }
        assert_eq!(branding("nobody"), "");
    }
}
