//! The URL of `--put`, and what opens the door there. No message has a password, a token or a key.

#[cfg(feature = "publish")]
pub use with_publish::open;

#[cfg(not(feature = "publish"))]
pub fn open(_: &str, _: Option<&std::path::Path>, _: std::time::Duration) -> anyhow::Result<(String, h5live::package::Directory)> {
    Err(h5live::cli::usage("--put: this h5mux was built without the feature publish"))
}

#[cfg(feature = "publish")]
mod with_publish {
    use anyhow::Context as _;
    use h5live::cli;
    use h5live::package::{Access, Target, Upload};
    use h5live::source::network::Address;
    use rusty_s3::{Bucket, Credentials, UrlStyle};
    use std::fs::File;
    use std::io::Read;
    use std::path::Path;
    use std::time::Duration;
    use url::Url;

    /// A token is no longer.
    const MAX_TOKEN: u64 = 8 << 10;

    /// The target, and what it is called in messages.
    pub fn open(url: &str, token: Option<&Path>, segment: Duration) -> anyhow::Result<(String, Upload)> {
        let scheme = ["http", "https", "s3"].into_iter().find(|scheme| url.starts_with(&format!("{scheme}://")));
        let scheme = scheme.ok_or_else(|| cli::usage("--put: give http://HOST/PATH, https://HOST/PATH or s3://BUCKET/PATH"))?;
        let address = Address::parse(url, scheme).map_err(|error| cli::usage(format!("--put: {error}")))?;
        let name = address.to_string();
        let access = match (scheme, address.credentials(), token) {
            ("s3", Some(_), _) | ("s3", _, Some(_)) => {
                return Err(cli::usage("--put: the key of S3 comes from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"));
            }
            ("s3", ..) => s3(address.url(), |name| std::env::var(name).ok().filter(|value| !value.is_empty()))?,
            (_, Some(_), Some(_)) => return Err(cli::usage("--put: give a user in the URL, or --put-token-file")),
            (_, Some(credentials), None) => Access::basic(&credentials.user, &credentials.password),
            (_, None, Some(path)) => read_token(path).with_context(|| format!("--put-token-file {}", path.display()))?,
            (_, None, None) => Access::Open,
        };
        Ok((name, Upload::new(Target::new(address.url().clone(), access), segment)))
    }

    fn read_token(path: &Path) -> anyhow::Result<Access> {
        let mut text = String::new();
        File::open(path)?.take(MAX_TOKEN).read_to_string(&mut text)?;
        let token = text.trim();
        anyhow::ensure!(!token.is_empty() && !token.contains(char::is_whitespace), "expected one line with a token");
        Access::bearer(token).context("the token has characters that cannot be sent")
    }

    /// By the variables that the programs of AWS know.
    fn s3(url: &Url, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Access> {
        let needed = |name: &str| variable(name).ok_or_else(|| cli::usage(format!("--put: S3 needs the environment variable {name}")));
        let (key, secret) = (needed("AWS_ACCESS_KEY_ID")?, needed("AWS_SECRET_ACCESS_KEY")?);
        let credentials = match variable("AWS_SESSION_TOKEN") {
            Some(token) => Credentials::new_with_token(key, secret, token),
            None => Credentials::new(key, secret),
        };
        let region = variable("AWS_REGION").or(variable("AWS_DEFAULT_REGION")).unwrap_or_else(|| "us-east-1".into());
        let given = variable("AWS_ENDPOINT_URL_S3").or(variable("AWS_ENDPOINT_URL"));
        // A server of one's own has its buckets as folders; at AWS each has a name of its own.
        let (endpoint, style) = match given {
            Some(endpoint) => (endpoint, UrlStyle::Path),
            None => (format!("https://s3.{region}.amazonaws.com"), UrlStyle::VirtualHost),
        };
        let wrong = || cli::usage("--put: AWS_ENDPOINT_URL is no URL of HTTP, or AWS_REGION is no region");
        let endpoint = Url::parse(&endpoint).map_err(|_| wrong())?;
        let bucket = Bucket::new(endpoint, style, url.host_str().unwrap_or_default().to_owned(), region).map_err(|_| wrong())?;
        Ok(Access::S3(Box::new((bucket, credentials))))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_is_wrong_is_said_without_the_secret() {
            for url in ["ftp://ann:s3cret@host/", "http://ann:s3cret@/", "s3://ann:s3cret@bucket/", "s3cret", "http://ann:s3cret@ho st/"] {
                let error = format!("{:#}", open(url, None, Duration::from_secs(2)).err().unwrap());
                assert!(error.contains("--put") && !error.contains("s3cret"), "{error}");
            }
            let (name, _) = open("https://ann:s3cret@host/path?token=s3cret", None, Duration::from_secs(2)).unwrap();
            assert_eq!(name, "https://ann:***@host/path?token=***");
        }

        #[test]
        fn the_variables_of_s3() {
            let of = |set: &'static [(&str, &str)]| {
                move |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            let url = Url::parse("s3://bucket/a/b").unwrap();
            let key = [("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s3cret")];
            let error = format!("{:#}", s3(&url, of(&[])).unwrap_err());
            assert!(error.contains("AWS_ACCESS_KEY_ID"), "{error}");
            let base = |variable: &dyn Fn(&str) -> Option<String>| match s3(&url, variable).unwrap() {
                Access::S3(s3) => s3.0.base_url().to_string(),
                _ => panic!(),
            };
            let with = |name: &'static str, value: &'static str| {
                move |asked: &str| {
                    (asked == name)
                        .then(|| value.to_owned())
                        .or_else(|| key.iter().find(|(known, _)| *known == asked).map(|(_, value)| (*value).to_owned()))
                }
            };
            assert_eq!(base(&with("AWS_REGION", "eu-central-1")), "https://bucket.s3.eu-central-1.amazonaws.com/");
            assert_eq!(base(&with("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")), "http://127.0.0.1:9000/bucket/");
        }
    }
}
