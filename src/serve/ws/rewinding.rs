//! What a viewer sees of before: who may, what each command does to its subscription, and the messages that come of it.

use super::subscription::Subscription;
use crate::serve::rewind::command::RewindCommand;
use crate::serve::rewind::outlet::PlaybackOutput;
use crate::serve::rewind::session::Rewinding;
use std::task::Waker;

/// The past of a viewer's stream, if there is one here.
#[derive(Default)]
pub struct ViewerPast(Option<Box<Rewinding>>);

/// What has become of a command.
pub enum Obeyed {
    /// The past is played from now on.
    Begun,
    /// The viewer is to be live.
    Live,
    /// It is on its way.
    Passed,
}

impl ViewerPast {
    pub fn new(rewinding: Option<Box<Rewinding>>) -> ViewerPast {
        ViewerPast(rewinding)
    }

    /// The viewer asked for these codecs: it gets them when it rewinds, and when it is live again. Who has no right to rewind needs neither.
    pub fn asked_for(&mut self, codecs: &str) {
        if let Some(rewinding) = self.0.as_mut().filter(|rewinding| rewinding.is_allowed()) {
            rewinding.codecs = Some(codecs.to_owned());
        }
    }

    /// The codecs that it last asked for.
    pub fn codecs(&self) -> String {
        self.0.as_ref().and_then(|rewinding| rewinding.codecs.clone()).unwrap_or_default()
    }

    /// Why it may not, now.
    pub fn refusal(&self) -> Option<String> {
        self.0.as_ref()?.check().err()
    }

    /// Does what a command says. The first one begins to play the past.
    ///
    /// # Errors
    /// Why not.
    pub fn obey(&self, subscription: &mut Subscription, command: RewindCommand, viewer: &Waker) -> Result<Obeyed, String> {
        let Some(rewinding) = &self.0 else { return Err("it is not to be had here".into()) };
        rewinding.check()?;
        if rewinding.codecs.is_none() {
            return Err("ask for mse first".into());
        }
        match subscription {
            Subscription::Rewind(_) if command == RewindCommand::Live => Ok(Obeyed::Live),
            Subscription::Rewind(playing) => match playing.obey(command) {
                true => Ok(Obeyed::Passed),
                false => Err("too much at a time".into()),
            },
            _ if matches!(command, RewindCommand::Live | RewindCommand::Play) => Ok(Obeyed::Passed),
            _ => {
                let mut playing = rewinding.start(viewer.clone())?;
                playing.obey(command);
                *subscription = Subscription::Rewind(playing);
                Ok(Obeyed::Begun)
            }
        }
    }
}

/// The next output for a viewer who sees the past.
pub fn next_output(subscription: &mut Subscription) -> Option<PlaybackOutput> {
    match subscription {
        Subscription::Rewind(playing) => playing.next(),
        _ => None,
    }
}
