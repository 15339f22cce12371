//! Copies of requests.

use super::Builder;
use crate::config::document::Mirror;
use crate::config::written;

impl Builder<'_> {
    pub(super) fn mirror(&self, written: &written::Route) -> Option<Mirror> {
        let mirror = written.mirror.as_ref()?;
        let answers = [
            written.redirect.as_ref().map(|redirect| ("redirect", redirect.key)),
            written.respond.as_ref().map(|respond| ("respond", respond.key)),
        ];
        if let Some((other, _)) = answers.into_iter().flatten().next() {
            self.findings
                .error("conflicting-keys", mirror.key, format!("`{other}` and `mirror` are both there"))
                .hint("only what goes to a pool is copied: remove one of the two");
        }
        let written::Mirror { pool, percent } = &mirror.value;
        let mut millionths = Mirror::ALL;
        if let Some(percent) = percent {
            let exact = percent.value * f64::from(Mirror::ALL / 100);
            // NaN is in no range.
            if !(0.0..=f64::from(Mirror::ALL)).contains(&exact) {
                self.findings
                    .error("invalid-value", percent.mark, format!("`{}` is not from 0 to 100", percent.value))
                    .hint("write how many of a hundred requests are copied: 10 for every tenth, 0.1 for every thousandth");
            } else if (exact - exact.round()).abs() > 1e-6 {
                self.findings
                    .error(
                        "invalid-value",
                        percent.mark,
                        format!("`{}` has more than four decimals", percent.value),
                    )
                    .hint("write 0.0001 for every millionth request, or more");
            } else {
                millionths = exact.round() as u32;
            }
        }
        Some(Mirror { pool: self.known_pool(pool)?, millionths })
    }
}
