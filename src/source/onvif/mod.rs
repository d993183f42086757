//! `onvif://HOST/`: a network camera whose stream is asked for by ONVIF, and comes by RTSP.
//!
//! | module | its job |
//! |---|---|
//! | [`discovery`] | finds the cameras of the local network (WS-Discovery) |
//! | [`device`] | asks a camera for its profiles and the addresses of their streams |
//! | `profile` | the rule by which a profile is chosen |
//! | `call` | one request over HTTP, with a login |
//! | `soap` | the syntax of requests and answers, pure |
//!
//! Pan, tilt and zoom are left alone.

mod call;
pub mod device;
pub mod discovery;
mod profile;
mod soap;
#[cfg(feature = "testing")]
pub mod testing;

pub use device::{Device, DeviceOptions};
pub use profile::{Profile, choose};

use super::kind::{Kind, Scheme, Setting};
use super::network::connection::CancelToken;
use super::network::refusal::RefusalKind;
use super::network::{Address, Refusal};
use super::{Captured, Controls, Count, Error, Options, Poll, Source};
use crate::media::Unsupported;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// A network camera by ONVIF.
pub static KIND: Kind = Kind {
    scheme: Scheme::Url(SCHEME),
    accepts: &[Setting::Network, Setting::Tls, Setting::Transport],
    several: false,
    is_live: |_| true,
    open: |addresses, options| open(addresses.first().map_or("", String::as_str), options),
};

const SCHEME: &str = "onvif";

fn open(text: &str, options: &Options) -> Result<Box<dyn Source>, Error> {
    let address = Address::parse(text, SCHEME).map_err(|error| {
        Error::Other(Box::new(Unsupported { what: error.to_string(), advice: "write onvif://HOST/ or onvif://HOST/PROFILE".into() }))
    })?;
    let mut options = options.clone();
    options.network.credentials = options.network.credentials.take().or_else(|| address.credentials().cloned());
    let name = address.to_string();
    let cancel_token = CancelToken::default();
    let (sender, answer) = sync_channel(1);
    let how = DeviceOptions {
        credentials: options.network.credentials.clone(),
        fingerprint: options.network.fingerprint,
        timeout: options.network.timeout,
    };
    let asking = cancel_token.clone();
    let ask = move || {
        let wanted = wanted(&address);
        _ = sender.send(Device::at(&address, &how, &asking).and_then(|mut device| device.stream(wanted.as_deref())));
    };
    std::thread::Builder::new().name("onvif".into()).spawn(ask).map_err(|error| Error::io(&name, error))?;
    Ok(Box::new(Camera { name, options, state: State::Asking { answer, cancel_token } }))
}

/// The profile that the path of an address names; `None`: any.
fn wanted(address: &Address) -> Option<String> {
    let path = address.url().path().trim_matches('/');
    let name = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    (!name.is_empty()).then(|| name.into_owned())
}

struct Camera {
    /// As it is printed.
    name: String,
    options: Options,
    state: State,
}

enum State {
    /// Its thread asks the camera where the stream is.
    Asking {
        answer: Receiver<Result<Profile, Refusal>>,
        cancel_token: CancelToken,
    },
    Playing(Box<dyn Source>),
}

impl Drop for State {
    fn drop(&mut self) {
        if let State::Asking { cancel_token, .. } = self {
            cancel_token.cancel();
        }
    }
}

impl Camera {
    /// Opens the stream that the camera has named.
    fn play(&mut self, profile: &Profile) -> Result<(), Error> {
        let uri = profile.uri.as_deref().unwrap_or_default();
        tracing::info!("{}: profile {}", self.name, profile.line());
        let kind = if uri.starts_with("rtsps:") { &super::rtsp::RTSPS } else { &super::rtsp::RTSP };
        let source = (kind.open)(&[uri.to_owned()], &self.options)?;
        self.state = State::Playing(source);
        Ok(())
    }
}

impl Source for Camera {
    fn poll(&mut self, wait: Duration) -> Result<Poll, Error> {
        let end = Instant::now() + wait;
        if let State::Asking { answer, .. } = &self.state {
            match answer.recv_timeout(wait) {
                Ok(answer) => {
                    let profile = answer.map_err(|refusal| refusal.into_error(&self.name))?;
                    self.play(&profile)?;
                }
                Err(RecvTimeoutError::Timeout) => return Ok(Poll::Nothing),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Refusal::new(RefusalKind::Failed, "the request has ended without an answer").into_error(&self.name));
                }
            }
        }
        match &mut self.state {
            State::Playing(source) => source.poll(end.saturating_duration_since(Instant::now())),
            State::Asking { .. } => Ok(Poll::Nothing),
        }
    }

    fn pending(&mut self) -> Option<Captured> {
        if let State::Playing(source) = &mut self.state { source.pending() } else { None }
    }

    fn counts(&self) -> Vec<Count> {
        if let State::Playing(source) = &self.state { source.counts() } else { Vec::new() }
    }

    fn frame_duration(&self) -> Option<Duration> {
        if let State::Playing(source) = &self.state { source.frame_duration() } else { None }
    }

    fn controls(&self) -> Option<Arc<dyn Controls>> {
        if let State::Playing(source) = &self.state { source.controls() } else { None }
    }

    fn summary(&self, dropped: u64) -> Vec<String> {
        if let State::Playing(source) = &self.state { source.summary(dropped) } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_profile() {
        let wanted = |text: &str| wanted(&Address::parse(text, SCHEME).unwrap());
        assert_eq!(wanted("onvif://cam"), None);
        assert_eq!(wanted("onvif://u:p@cam:8000/"), None);
        assert_eq!(wanted("onvif://cam/Profile_2").as_deref(), Some("Profile_2"));
        assert_eq!(wanted("onvif://cam/Sub%20stream/").as_deref(), Some("Sub stream"));
    }
}
