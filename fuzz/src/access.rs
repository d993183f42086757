//! What users, links and clients write of who may do what.

use h5live::access::{Credentials, Link, LinkKey, Secret, Users};

/// A mistake in a users file has a place in it, and a file that is understood still is when a line is added. No link is good that the key did not
/// sign; and a text of what one allows has one spelling.
pub fn access(data: &[u8]) {
    match Users::parse(data) {
        Ok(users) if !users.has("fuzz") => {
            let text = std::str::from_utf8(data).expect("it was read as text");
            let (token, kept) = Secret::new_token().expect("the system has random bytes");
            let with = Users::with(text, "fuzz", &kept, &"view".parse().expect("it is a right"));
            let again = Users::parse(with.as_bytes());
            assert!(again.is_ok_and(|again| again.len() == users.len() + 1 && again.has("fuzz")) || users.len() == 10_000, "{token}");
        }
        Ok(_) => {}
        Err(error) => {
            let lines = data.split(|&b| b == b'\n').count();
            assert!((1..=lines).contains(&error.line) && (1..=data.len() + 1).contains(&error.column), "{error}");
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    _ = Credentials::of_authorization(text);
    let key: LinkKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().expect("43 letters");
    assert!(Link::check(text, std::slice::from_ref(&key), 0, None).is_err());
    if let Some(link) = Link::from_text(text) {
        assert_eq!(link.to_text(), text);
        if let (Ok(token), None, 1..) = (key.sign(&link), link.from, link.ends) {
            assert_eq!(Link::check(&token, &[key], 0, None), Ok(link));
        }
    }
}
