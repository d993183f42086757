//! For fuzz targets: an answer of a camera, as it is read.

use super::soap;

/// Reads an answer as every answer that it could be.
///
/// # Panics
/// A text of it is longer than it may be, or cannot be printed.
pub fn answer(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some(document) = soap::parse(&text) else { return };
    let is_clean = |text: &str| assert!(text.chars().count() <= soap::MAX_TEXT && !text.contains(char::is_control), "{text:?}");
    soap::system_time(&document);
    [soap::fault(&document).map(|fault| fault.text), soap::media_service(&document), soap::stream_uri(&document)]
        .iter()
        .flatten()
        .for_each(|text| is_clean(text));
    for profile in soap::profiles(&document) {
        [&profile.token, &profile.name, &profile.encoding].iter().for_each(|text| is_clean(text));
        assert!(soap::parse(&format!("<a>{}</a>", soap::escaped(&profile.token))).is_some(), "{:?}", profile.token);
    }
    for found in soap::matches(&document) {
        [&found.endpoint, &found.name, &found.hardware].iter().for_each(|text| is_clean(text));
    }
}
