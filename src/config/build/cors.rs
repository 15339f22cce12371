//! Cross-origin requests.

use std::fmt;
use std::sync::Arc;

use super::Builder;
use crate::config::decode::{List, Spanned, WordOr};
use crate::config::document::{Cors, CorsNames, CorsSetting};
use crate::config::written::{self, NameOrAny, Text};
use crate::types::OriginPattern;

impl Builder<'_> {
    pub(super) fn cors(&self, written: Option<&Spanned<written::CorsSetting>>) -> Option<CorsSetting> {
        Some(match &written?.value {
            WordOr::Word(written::CorsWord::Off) => CorsSetting::Off,
            WordOr::Mapping(written) => CorsSetting::On(Arc::new(self.cors_of(written))),
        })
    }

    fn cors_of(&self, written: &written::Cors) -> Cors {
        let origins = &written.allow_origins;
        if origins.value.0.is_empty() && self.findings.errors_in(origins.mark.file) == 0 {
            self.findings
                .error("missing-value", origins.key, "no origin is allowed")
                .hint("add one, like https://app.example.com; or write `cors: off`");
        }
        let any = origins.value.0.iter().find(|origin| origin.value.0 == OriginPattern::Any);
        let credentials = written.allow_credentials.as_ref().filter(|allowed| allowed.value);
        if let (Some(any), Some(credentials)) = (any, credentials) {
            self.findings
                .error("conflicting-keys", credentials.key, "credentials can't be allowed to every origin")
                .hint("list the origins that may, like \"https://*.example.com\"")
                .see(any.mark, "every origin is allowed");
        } else if let Some(any) = any.filter(|_| origins.value.0.len() > 1) {
            self.findings
                .error("conflicting-keys", any.mark, "`*` is every origin, and others stand beside it")
                .hint("keep `*`, or the others");
        }
        if let (Some(any), Some(credentials)) =
            (written.expose_headers.0.iter().find(|name| name.value.0 == NameOrAny::Any), credentials)
        {
            self.findings
                .error("conflicting-keys", any.mark, "with credentials `*` is no wildcard to browsers")
                .hint("list the fields that pages may read")
                .see(credentials.key, "credentials are allowed");
        }
        let max_age = written.max_age.as_ref();
        if let Some(age) = max_age.filter(|age| age.value.0.subsec_nanos() != 0) {
            self.findings
                .error("invalid-value", age.mark, "browsers count whole seconds")
                .hint("write a number of seconds, like 600s");
        }
        let of_default = || CorsNames::Listed(["GET", "HEAD", "POST"].map(str::to_owned).to_vec());
        Cors {
            origins: origins.value.0.iter().map(|origin| origin.value.0.clone()).collect(),
            methods: written.allow_methods.as_ref().map_or_else(of_default, |names| self.cors_names(names)),
            headers: self.cors_names(&written.allow_headers),
            exposed: self.cors_names(&written.expose_headers),
            credentials: credentials.is_some(),
            max_age: max_age.map(|age| age.value.0),
            private_network: written.allow_private_network.as_ref().is_some_and(|allowed| allowed.value),
        }
    }

    fn cors_names<N: fmt::Display>(&self, written: &List<Spanned<Text<NameOrAny<N>>>>) -> CorsNames {
        let mut names = Vec::with_capacity(written.0.len());
        let mut any = None;
        for name in &written.0 {
            match &name.value.0 {
                NameOrAny::Any => any = Some(name.mark),
                NameOrAny::Name(name) => names.push(name.to_string()),
            }
        }
        if let Some(mark) = any.filter(|_| written.0.len() > 1) {
            self.findings
                .error("conflicting-keys", mark, "`*` is every one, and others stand beside it")
                .hint("keep `*`, or the others");
        }
        if any.is_some() { CorsNames::Any } else { CorsNames::Listed(names) }
    }
}
