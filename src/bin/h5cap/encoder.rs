//! The encoders of this build, for black pictures.

use h5live::source::EncodePictures;

/// Codes pictures; `None`: built without encoders.
#[cfg(not(feature = "encode"))]
pub fn encoder() -> Option<EncodePictures> {
    None
}

#[cfg(feature = "encode")]
pub use with_encoders::encoder;

#[cfg(feature = "encode")]
mod with_encoders {
    use super::EncodePictures;
    use h5live::encode::{EncodeStage, Error, Gop, Options, VideoCodec};
    use h5live::media::{Codec, Event};
    use std::sync::{Arc, Mutex, PoisonError};

    /// Codes pictures.
    #[allow(clippy::unnecessary_wraps, reason = "a build without encoders has none")]
    pub fn encoder() -> Option<EncodePictures> {
        Some(Arc::new(|codec, events| {
            encode(codec, events).map_err(|error| match error {
                // What it advises is for h5enc.
                Error::Unsupported(error) => error.what.into(),
                error => format!("{:#}", anyhow::Error::from(error)).into(),
            })
        }))
    }

    /// Each picture becomes a keyframe.
    fn encode(codec: Codec, events: Vec<Event>) -> Result<Vec<Event>, Error> {
        let video = if codec == Codec::Jpeg { VideoCodec::Mjpeg } else { VideoCodec::H264 };
        let options = Options { video, gop: Gop::Frames(1), threads: Some(1), ..Options::default() };
        let coded = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let coded = Arc::clone(&coded);
            move |event| {
                coded.lock().unwrap_or_else(PoisonError::into_inner).push(event);
                Ok(())
            }
        };
        let mut stage = EncodeStage::new(options, Arc::default(), sink);
        for event in events {
            stage.push(event)?;
        }
        stage.finish()?;
        Ok(std::mem::take(&mut *coded.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}
