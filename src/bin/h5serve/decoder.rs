//! What decodes pictures for snapshots: the decoders of the library, where they are built in.

use h5live::serve::PictureDecoder;
use std::sync::Arc;

/// `None`: the program was built without the feature `encode`, which has the decoders.
pub fn decoder() -> Option<Arc<dyn PictureDecoder>> {
    #[cfg(feature = "encode")]
    return Some(Arc::new(with_decoders::Decoders));
    #[cfg(not(feature = "encode"))]
    None
}

#[cfg(feature = "encode")]
mod with_decoders {
    use h5live::media::Track;
    use h5live::serve::PictureDecoder;
    use std::error::Error;

    #[derive(Debug)]
    pub struct Decoders;

    impl PictureDecoder for Decoders {
        fn jpeg(&self, track: &Track, data: &[u8], width: Option<u32>) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
            Ok(h5live::encode::still(track, data, width)?)
        }
    }
}
