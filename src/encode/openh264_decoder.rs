//! The binding to OpenH264's decoder, for single pictures: the only unsafe code of it.
//!
//! Errors are not concealed: what is damaged gives no picture. A decoder has one thread, and is thrown away after one picture.

use super::openh264::{Error, check, required};
use super::picture::{Picture, Planes, Sampling};
use openh264_sys2 as sys;
use openh264_sys2::source::APILoader;
use std::ffi::{c_int, c_long, c_uchar};
use std::ptr;

/// A decoder of one picture.
pub struct Decoder {
    raw: *mut sys::ISVCDecoder,
    calls: sys::ISVCDecoderVtbl,
}

impl Decoder {
    /// # Errors
    /// If OpenH264 has no memory.
    pub fn new() -> Result<Decoder, Error> {
        let mut raw = ptr::null_mut();
        // SAFETY: `raw` is a valid place for the pointer; on success it points to an object whose first word is its table of functions.
        let calls = unsafe {
            check("WelsCreateDecoder", code(APILoader::WelsCreateDecoder(&raw mut raw)))?;
            **raw
        };
        let decoder = Decoder { raw, calls };
        let mut silent: c_int = sys::WELS_LOG_QUIET;
        let set = required("SetOption", decoder.calls.SetOption)?;
        let params = sys::SDecodingParam {
            eEcActiveIdc: sys::ERROR_CON_DISABLE,
            sVideoProperty: sys::SVideoProperty { size: size_of::<sys::SVideoProperty>() as u32, eVideoBsType: sys::VIDEO_BITSTREAM_AVC },
            ..Default::default()
        };
        let initialize = required("Initialize", decoder.calls.Initialize)?;
        // SAFETY: the object lives until drop; the option takes a pointer to an int, and the parameters are copied.
        unsafe {
            check("SetOption", code(set(decoder.raw, sys::DECODER_OPTION_TRACE_LEVEL, (&raw mut silent).cast())))?;
            check("Initialize", code(initialize(decoder.raw, &raw const params)))?;
        }
        Ok(decoder)
    }

    /// The picture of one access unit of byte stream format, with its parameter sets. `false`: there is none in it.
    ///
    /// # Errors
    /// If OpenH264 finds it damaged.
    pub fn decode(&mut self, access_unit: &[u8], out: &mut Picture) -> Result<bool, Error> {
        let length = c_int::try_from(access_unit.len()).unwrap_or(c_int::MAX);
        let decode = required("DecodeFrameNoDelay", self.calls.DecodeFrameNoDelay)?;
        let flush = required("FlushFrame", self.calls.FlushFrame)?;
        let set = required("SetOption", self.calls.SetOption)?;
        let mut planes: [*mut c_uchar; 3] = [ptr::null_mut(); 3];
        let mut info = sys::SBufferInfo::default();
        // SAFETY: the object is initialised, `access_unit` has `length` bytes that are only read, and both places for the output are valid.
        check("DecodeFrameNoDelay", unsafe { decode(self.raw, access_unit.as_ptr(), length, planes.as_mut_ptr(), &raw mut info) })?;
        if info.iBufferStatus != 1 {
            // A stream with B-frames: the picture waits for those before it in presentation.
            let mut yes: c_int = 1;
            // SAFETY: as above; the option takes a pointer to an int.
            unsafe {
                check("SetOption", code(set(self.raw, sys::DECODER_OPTION_END_OF_STREAM, (&raw mut yes).cast())))?;
                check("FlushFrame", flush(self.raw, planes.as_mut_ptr(), &raw mut info))?;
            }
        }
        if info.iBufferStatus != 1 || planes.iter().any(|plane| plane.is_null()) {
            return Ok(false);
        }
        // SAFETY: with this status the union has the description of a picture in memory.
        let buffer = unsafe { info.UsrData.sSystemBuffer };
        let number = |n: c_int| usize::try_from(n).unwrap_or(0);
        let (width, height) = (number(buffer.iWidth), number(buffer.iHeight));
        let [y_stride, c_stride] = buffer.iStride.map(number);
        let (columns, rows) = Sampling::S420.chroma(width, height);
        if width == 0 || height == 0 || y_stride < width || c_stride < columns {
            return Ok(false);
        }
        // SAFETY: the planes have that many rows of that many bytes until the next call, which takes `&mut self`; of the last row no more is read
        // than there is of the picture.
        let plane = |n: usize, stride: usize, rows: usize, columns: usize| unsafe {
            std::slice::from_raw_parts(planes[n], stride * (rows - 1) + columns)
        };
        let (y, u, v) = (plane(0, y_stride, height, width), plane(1, c_stride, rows, columns), plane(2, c_stride, rows, columns));
        out.copy_from(&Planes { sampling: Sampling::S420, width, height, y_stride, c_stride, y, u, v });
        Ok(true)
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: made by `WelsCreateDecoder`, ended once.
        unsafe {
            if let Some(uninitialize) = self.calls.Uninitialize {
                uninitialize(self.raw);
            }
            APILoader::WelsDestroyDecoder(self.raw);
        }
    }
}

/// Of the functions that give a long.
fn code(code: c_long) -> c_int {
    c_int::try_from(code).unwrap_or(-1)
}
