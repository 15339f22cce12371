//! The codes of refusals that metrics know: a fixed set, so that no code ever grows the series.

/// Every code that a refusal can carry, as in the table of refusals; the last stands for any other.
pub(super) const REASONS: [&str; 27] = [
    "rate_limited",
    "unknown_tenant",
    "quota_exceeded",
    "tenant_unavailable",
    "quota_unavailable",
    "concurrency_exceeded",
    "no_capacity",
    "no_endpoint",
    "upstream_connect",
    "upstream_protocol",
    "upstream_timeout",
    "upstream_error",
    "no_route",
    "tenant_suspended",
    "payment_required",
    "maintenance",
    "access_denied",
    "feature_not_in_plan",
    "unauthenticated",
    "body_too_large",
    "tenant_conflict",
    "misdirected_request",
    "bad_request",
    "request_timeout",
    "unsupported_upgrade",
    "draining",
    OTHER_REASON,
];

const OTHER_REASON: &str = "other";

/// Where a code's count stands in an array of [`REASONS`]. Codes that are not in it count as `other`.
pub(super) fn reason_index(code: &str) -> usize {
    // The commonest stand first: refusing must stay cheap when it is done a million times.
    REASONS.iter().position(|reason| *reason == code).unwrap_or(REASONS.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_place_and_strangers_share_the_last() {
        for (at, reason) in REASONS.iter().enumerate() {
            assert_eq!(reason_index(reason), at);
        }
        assert_eq!(REASONS.get(reason_index("made-up")), Some(&OTHER_REASON));
    }
}
