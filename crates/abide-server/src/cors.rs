//! Lets pages of other origins read answers, if the options name them.

use std::time::Duration;

use abide_core::{Error, Result};
use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{ServerOptions, gate::NAMESPACE};

/// How long a browser need not ask again.
const MAX_AGE: Duration = Duration::from_secs(600);

/// What answers the questions of browsers. `None`: there are no other origins.
///
/// Tokens are sent by pages on purpose and never by browsers on their own, so no credentials are allowed.
///
/// # Errors
/// `bad_request` if an origin cannot be meant.
pub(crate) fn layer(options: &ServerOptions) -> Result<Option<CorsLayer>> {
    if options.origins.is_empty() {
        return Ok(None);
    }
    let any = options.origins.iter().any(|origin| origin == "*");
    if any && options.auth.is_none() {
        let detail = "origins = [\"*\"] without [auth]: every page that somebody on this machine looks at could read \
                      and change every object; name the origins";
        return Err(Error::bad_request(detail));
    }
    let origins = options.origins.iter().filter(|origin| *origin != "*").map(|origin| parse(origin));
    let origins: Vec<HeaderValue> = origins.collect::<Result<_>>()?;
    let allowed = if any { AllowOrigin::any() } else { AllowOrigin::list(origins) };
    let sent = ["idempotency-key", "abide-timeout", "last-event-id", "traceparent"].map(HeaderName::from_static);
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
        .allow_headers(
            sent.into_iter().chain([header::AUTHORIZATION, header::CONTENT_TYPE, NAMESPACE]).collect::<Vec<_>>(),
        )
        .expose_headers([header::RETRY_AFTER, header::WWW_AUTHENTICATE])
        .max_age(MAX_AGE);
    Ok(Some(layer))
}

/// `https://app.example`, as browsers write it: without a path.
fn parse(origin: &str) -> Result<HeaderValue> {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let fine = host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', '?', '#', '@']));
    let value = HeaderValue::from_str(&origin.to_ascii_lowercase()).ok().filter(|_| fine);
    value.ok_or_else(|| {
        Error::bad_request(format!("{origin:?} is not an origin: write scheme, host and port, https://app.example"))
    })
}
