//! From a packet of video to the picture that an encoder takes: decoded, converted, scaled, turned upright, recoloured. One per thread.

use super::colour::{Recolour, Space, is_rgb};
use super::convert::{self, to_i420};
use super::jpeg;
use super::picture::{Picture, Planes, Sampling};
use super::scale::Scaler;
use super::turn::turn;
use super::{Error, h264};
use crate::media::{Codec, Malformed, Orientation, SampleAspect, VideoParams};

/// What the encoder takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Of the upright picture.
    pub width: u32,
    pub height: u32,
    pub sample_aspect: SampleAspect,
    pub space: Space,
    pub sampling: Sampling,
}

impl Target {
    /// Of an H.264 encoder: even sides, limited range, the input's matrix.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the size is not one that H.264 is coded in here.
    pub fn h264(codec: Codec, params: &VideoParams, size: Option<super::Size>) -> Result<Target, Error> {
        let (width, height, sample_aspect) = scaled(params, size);
        let (width, height) = h264::coded_size(width, height)?;
        let space = if is_rgb(codec) { Space::usual(width, height) } else { Space::of(codec, params).limited() };
        Ok(Target { width, height, sample_aspect, space, sampling: Sampling::S420 })
    }

    /// Of a JPEG encoder: all the chroma that the input has, unless a picture of 4:2:2 is turned on its side.
    pub fn jpeg(codec: Codec, params: &VideoParams, size: Option<super::Size>) -> Target {
        let (width, height, sample_aspect) = scaled(params, size);
        let sampling = if let Codec::Raw(format) = codec { convert::sampling(format) } else { Sampling::S420 };
        let sampling = if params.orientation.swaps_sides() && sampling == Sampling::S422 { Sampling::S420 } else { sampling };
        Target { width, height, sample_aspect, space: Space::JPEG, sampling }
    }
}

/// The upright picture: with the pixels that it has, or, where it is scaled anyway, with square ones.
fn scaled(params: &VideoParams, size: Option<super::Size>) -> (u32, u32, SampleAspect) {
    let (width, height) = params.orientation.size(params.width, params.height);
    let aspect = params.sample_aspect.turned(params.orientation);
    let Some(size) = size else { return (width, height, aspect) };
    let (width, height) = size.with_pixels(width, height, aspect);
    (width, height, SampleAspect::SQUARE)
}

/// The way from one track's packets to pictures of a [`Target`]; its memory is used again for each.
pub struct Preprocess {
    codec: Codec,
    width: usize,
    height: usize,
    target: Target,
    orientation: Orientation,
    recolour: Option<Recolour>,
    decoder: Option<jpeg::Decoder>,
    scaler: Scaler,
    source: Picture,
    scaled: Picture,
    turned: Picture,
}

/// Where the picture is after a step.
enum Location {
    Packet,
    Source,
    Scaled,
    Turned,
}

impl Preprocess {
    /// For raw video or JPEG.
    ///
    /// # Errors
    /// If the JPEG decoder has no memory.
    pub fn new(codec: Codec, params: &VideoParams, target: Target) -> Result<Preprocess, Error> {
        let decoder = (codec == Codec::Jpeg).then(jpeg::Decoder::default);
        let recolour = if is_rgb(codec) { None } else { Recolour::new(Space::of(codec, params), target.space) };
        Ok(Preprocess {
            codec,
            width: params.width as usize,
            height: params.height as usize,
            target,
            orientation: params.orientation,
            recolour,
            decoder,
            scaler: Scaler::default(),
            source: Picture::default(),
            scaled: Picture::default(),
            turned: Picture::default(),
        })
    }

    /// One packet's picture, in the size and space of the target.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the packet is not one picture of the track.
    pub fn run<'a>(&'a mut self, data: &'a [u8]) -> Result<Planes<'a>, Error> {
        let mut place = self.unpack(data)?;
        let planes = self.at(&place, data)?;
        if !self.fits(&planes) {
            let (width, height) = self.lying();
            self.scaled.reshape(planes.sampling, width, height);
            let planes = match place {
                Location::Packet => self.packed(data)?,
                _ => self.source.planes(),
            };
            self.scaler.scale(&planes, &mut self.scaled);
            place = Location::Scaled;
        }
        if !self.orientation.is_upright() {
            let planes = match place {
                Location::Packet => self.packed(data)?,
                Location::Scaled => self.scaled.planes(),
                _ => self.source.planes(),
            };
            turn(&planes, self.orientation, &mut self.turned);
            place = Location::Turned;
        }
        if let Some(recolour) = self.recolour {
            if matches!(place, Location::Packet) {
                let planes = packed(self.target.sampling, self.width, self.height, data)?;
                self.source.copy_from(&planes);
                place = Location::Source;
            }
            recolour.apply(match place {
                Location::Turned => &mut self.turned,
                Location::Scaled => &mut self.scaled,
                _ => &mut self.source,
            });
        }
        let (width, height) = (self.target.width as usize, self.target.height as usize);
        // A last odd column or row that H.264 cannot have.
        self.at(&place, data).map(|planes| if (planes.width, planes.height) == (width, height) { planes } else { planes.even() })
    }

    /// To planes of the target's sampling, of the size and in the space of the input.
    fn unpack(&mut self, data: &[u8]) -> Result<Location, Error> {
        let sampling = self.target.sampling;
        match (self.codec, &mut self.decoder) {
            (Codec::Raw(format), _) if convert::is_planar(format) && convert::sampling(format) == sampling => {
                self.packed(data)?;
                return Ok(Location::Packet);
            }
            (Codec::Raw(format), _) if sampling == Sampling::S422 => {
                convert::to_i422(format, self.width, self.height, data, &mut self.source)?;
            }
            (Codec::Raw(format), _) => to_i420(format, self.width, self.height, data, self.target.space, &mut self.source)?,
            (_, Some(decoder)) => {
                decoder.decode(data, &mut self.source)?;
                (self.width, self.height) = (self.source.width(), self.source.height());
            }
            _ => return Err(super::error::cannot_decode(self.codec, super::error::DECODE_VIDEO)),
        }
        Ok(Location::Source)
    }

    fn at<'a>(&'a self, place: &Location, data: &'a [u8]) -> Result<Planes<'a>, Error> {
        match place {
            Location::Packet => self.packed(data),
            Location::Source => Ok(self.source.planes()),
            Location::Scaled => Ok(self.scaled.planes()),
            Location::Turned => Ok(self.turned.planes()),
        }
    }

    /// The target's size before it is turned.
    fn lying(&self) -> (usize, usize) {
        let (width, height) = self.orientation.size(self.target.width, self.target.height);
        (width as usize, height as usize)
    }

    /// Nothing to scale: the size is right, or right but for a last odd column or row.
    fn fits(&self, planes: &Planes<'_>) -> bool {
        let (width, height) = self.lying();
        (planes.width, planes.height) == (width, height) || (planes.width & !1, planes.height & !1) == (width, height)
    }

    /// The packet's own planes.
    fn packed<'a>(&self, data: &'a [u8]) -> Result<Planes<'a>, Error> {
        packed(self.target.sampling, self.width, self.height, data)
    }
}

fn packed(sampling: Sampling, width: usize, height: usize, data: &[u8]) -> Result<Planes<'_>, Error> {
    let size = sampling.size(width, height);
    let planes = Planes::packed(sampling, width, height, data).filter(|_| data.len() == size && size > 0);
    planes.ok_or_else(|| {
        let what = format!("a picture of {} bytes, where one of {width}x{height} has {size}", data.len());
        Malformed::new("raw video", what).into()
    })
}
