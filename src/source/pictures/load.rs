//! One picture file: read within bounds, JPEG as it is, anything else decoded.

use crate::codec::exif;
use crate::codec::jpeg::{self, End, Fault};
use crate::media::{Codec, Malformed, Orientation, PixelFormat, SampleAspect};
use crate::source::Error;
use bytes::Bytes;
use image::error::{LimitError, LimitErrorKind};
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};
use std::fs::OpenOptions;
use std::io::{Cursor, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Larger files are refused: no camera writes them, and they are held in memory whole.
const MAX_FILE: u64 = 256 << 20;
/// Pictures wider or higher are refused, as everywhere (see [`crate::media::VideoParams`]).
const MAX_SIDE: u32 = 16384;
/// Decoded pictures of more pixels are refused, 8K is the most: a PNG of a few kilobytes can have a thousand times as many. JPEG, which
/// is not decoded here, may be larger.
const MAX_PIXELS: u64 = 8192 * 4320;
/// What a decoder may allocate: so many pixels of four samples of 16 bits, and a little.
const MAX_ALLOC: u64 = MAX_PIXELS * 8 + (16 << 20);

/// File name extensions of what can be read.
const EXTENSIONS: [&str; 12] = ["jpg", "jpeg", "png", "gif", "bmp", "webp", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"];

/// A picture as a packet carries it.
pub struct Picture {
    pub codec: Codec,
    pub width: u32,
    pub height: u32,
    pub orientation: Orientation,
    pub sample_aspect: SampleAspect,
    pub data: Bytes,
}

/// What is in a file.
pub enum Loaded {
    Whole(Picture),
    /// It ends too soon: empty, or a JPEG without its end, as while a program still writes it.
    Cut,
}

/// Whether the file's name says that it is a picture. Hidden files are none: programs write them and rename them when they are whole.
pub fn is_picture(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    !hidden && EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Reads a whole picture.
///
/// # Errors
/// The file cannot be read, is too large, cut short, or no picture.
pub fn whole(path: &Path) -> Result<Picture, Error> {
    match load(path)? {
        Loaded::Whole(picture) => Ok(picture),
        Loaded::Cut => Err(Error::malformed(name(path), Malformed::new("picture", "the file is cut short"))),
    }
}

/// Reads a picture.
///
/// # Errors
/// The file cannot be read, is too large, or is no picture.
pub fn load(path: &Path) -> Result<Loaded, Error> {
    // O_NONBLOCK: opening a FIFO waits for no writer.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(|e| Error::io(name(path), e))?;
    if !file.metadata().map_err(|e| Error::io(name(path), e))?.is_file() {
        return Err(Error::malformed(name(path), Malformed::new("picture", "not a file")));
    }
    let mut data = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut data).map_err(|e| Error::io(name(path), e))?;
    if data.len() as u64 > MAX_FILE {
        return Err(Error::unsupported(name(path), format!("a picture of more than {} MB", MAX_FILE >> 20), "make it smaller"));
    }
    match &data[..] {
        [] | [0xff] => Ok(Loaded::Cut),
        [0xff, 0xd8, ..] => whole_jpeg(data.into()).map_err(|fault| jpeg_error(path, fault)),
        _ => decode(&data).map(Loaded::Whole).map_err(|e| decode_error(path, e)),
    }
}

/// The image up to its end; what a camera appended after it is left out.
fn whole_jpeg(data: Bytes) -> Result<Loaded, Fault> {
    let image = match jpeg::EndFinder::default().find(&data)? {
        Some(End::Marked(end) | End::Missing(end)) => data.slice(..end),
        None => data,
    };
    match jpeg::canonical(image) {
        Ok((data, info)) => {
            let exif::Shape { orientation, sample_aspect } = exif::shape(&data);
            let (orientation, sample_aspect) = (orientation.unwrap_or_default(), sample_aspect.unwrap_or_default());
            Ok(Loaded::Whole(Picture { codec: Codec::Jpeg, width: info.width, height: info.height, orientation, sample_aspect, data }))
        }
        Err(Fault::Cut) => Ok(Loaded::Cut),
        Err(fault) => Err(fault),
    }
}

fn jpeg_error(path: &Path, fault: Fault) -> Error {
    match fault {
        Fault::Broken(e) => Error::malformed(name(path), e),
        fault => Error::unsupported(name(path), fault.to_string(), "convert it to an ordinary JPEG"),
    }
}

fn decode(data: &[u8]) -> Result<Picture, ImageError> {
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height, limits.max_alloc) = (Some(MAX_SIDE), Some(MAX_SIDE), Some(MAX_ALLOC));
    let mut reader = ImageReader::new(Cursor::new(data)).with_guessed_format()?;
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(ImageError::Limits(LimitError::from_kind(LimitErrorKind::DimensionError)));
    }
    // EXIF in PNG and WebP, the tag of TIFF; the pixels stay as they are stored, and their track says how to turn them.
    let exif = decoder.orientation().map_or(1, image::metadata::Orientation::to_exif);
    let rgb = on_black(DynamicImage::from_decoder(decoder)?);
    let (width, height) = rgb.dimensions();
    Ok(Picture {
        codec: Codec::Raw(PixelFormat::Rgb24),
        width,
        height,
        orientation: Orientation::from_exif(exif.into()).unwrap_or_default(),
        sample_aspect: SampleAspect::SQUARE,
        data: rgb.into_raw().into(),
    })
}

/// Transparent parts become black: video has nothing behind it.
fn on_black(image: DynamicImage) -> image::RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    image::RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [r, g, b, a] = rgba.get_pixel(x, y).0.map(u16::from);
        image::Rgb([r, g, b].map(|c| ((c * a + 127) / 255) as u8))
    })
}

fn decode_error(path: &Path, error: ImageError) -> Error {
    match error {
        ImageError::Unsupported(e) => Error::unsupported(name(path), e.to_string(), "convert it to JPEG or PNG"),
        ImageError::Limits(_) => {
            let what = format!("a picture of more than {} million pixels, or of more than {MAX_SIDE} in a row", MAX_PIXELS / 1_000_000);
            Error::unsupported(name(path), what, "make it smaller")
        }
        ImageError::IoError(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => Error::io(name(path), e),
        e => Error::malformed(name(path), Malformed::new("picture", e.to_string())),
    }
}

/// As a file is called in errors.
pub(super) fn name(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{jpeg, tempdir};
    use super::*;

    #[test]
    fn a_fifo_is_refused_at_once() {
        let dir = tempdir("fifo");
        let path = dir.join("x.jpg");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let error = load(&path).err().expect("a FIFO without a writer is no picture");
        assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn names_of_pictures() {
        for (path, expected) in [("a/1.JPG", true), ("x.tiff", true), (".x.jpg", false), ("jpg", false), ("x.jpg.part", false), ("", false)]
        {
            assert_eq!(is_picture(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn a_jpeg_goes_out_as_it_is_and_ends_at_its_end() {
        let mut file = jpeg(20, 10, 7);
        let whole = file.len();
        file.extend_from_slice(b"camera data");
        let Loaded::Whole(picture) = whole_jpeg(file.clone().into()).unwrap() else { panic!("whole") };
        assert_eq!((picture.width, picture.height, &picture.data[..]), (20, 10, &file[..whole]));
        for cut in 2..whole {
            assert!(matches!(whole_jpeg(Bytes::copy_from_slice(&file[..cut])), Ok(Loaded::Cut)), "{cut} bytes");
        }
    }

    #[test]
    fn transparency_is_black() {
        let half = image::RgbaImage::from_pixel(1, 1, image::Rgba([200, 100, 0, 128]));
        assert_eq!(on_black(half.into()).get_pixel(0, 0).0, [100, 50, 0]);
    }

    #[test]
    fn a_header_that_promises_too_much_is_refused() {
        let dir = tempdir("huge");
        let path = dir.join("huge.ppm");
        std::fs::write(&path, "P6 65000 65000 255 ").unwrap();
        let error = load(&path).err().unwrap();
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        // Little in the file, and many pixels.
        let side = 16384u16.to_le_bytes();
        let gif = [b"GIF89a", &side[..], &side, b"\x80\0\0abcdef,\0\0\0\0", &side, &side, b"\0\x02\x02\x44\x01\0;"].concat();
        let bmp = [&b"BM\xff\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"[..], &side, &[0; 2], &side, &[0; 2], b"\x01\0\x18\0", &[0; 24]].concat();
        let mut png = Vec::new();
        image::GrayImage::new(16384, 2200).write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
        for (name, data) in [("huge.png", png), ("huge.gif", gif), ("huge.bmp", bmp), ("huge.pgm", b"P5 8192 8192 255 ".to_vec())] {
            let path = dir.join(name);
            std::fs::write(&path, data).unwrap();
            let error = load(&path).err().unwrap_or_else(|| panic!("{name} was decoded"));
            assert!(matches!(error, Error::Unsupported { .. }), "{name}: {error:?}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
