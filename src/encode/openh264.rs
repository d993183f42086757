//! The binding to OpenH264: the only unsafe code of the H.264 encoder.
//!
//! The safe crate `openh264` sets neither CABAC nor a quantiser per picture, which [`super::rate`] needs; hence the raw
//! interface of `openh264-sys2`. The binding decides nothing: it codes every picture as the options say, and skips and holds back none.

use super::picture::Planes;
use crate::media::SampleAspect;
use bytes::{BufMut, Bytes, BytesMut};
use openh264_sys2 as sys;
use openh264_sys2::source::APILoader;
use std::ffi::{c_int, c_void};
use std::ptr;

/// The encoder takes no larger picture, lying or standing ("Encoder errors when resolution exceeds 3840x2160", its README).
pub const MAX_SIDES: (u32, u32) = (3840, 2160);
/// It has no more threads than this (`MAX_THREADS_NUM` in its wels_const.h), whatever is asked for.
pub const MAX_THREADS: u16 = 4;
/// It takes no smaller side.
pub const MIN_SIDE: u32 = 16;

/// A call that OpenH264 refused, and the code that it gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("OpenH264: {call} failed with code {code}")]
pub struct Error {
    call: &'static str,
    code: c_int,
}

/// How to code. Sides are even.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    pub width: u32,
    pub height: u32,
    /// Frames a second, for the level only.
    pub rate: f32,
    /// Threads that code slices, [`MAX_THREADS`] at most.
    pub threads: u16,
    /// Slices of a picture. More than there are threads: a thread that is done with an easy one takes the next, and none waits for long.
    pub slices: u16,
    /// Colour description of the VUI (H.264, Annex E): primaries, transfer, matrix; limited range.
    pub colour: [u8; 3],
    /// Aspect ratio of the VUI.
    pub sample_aspect: SampleAspect,
}

/// One access unit: NAL units, each with its length before it in four bytes.
#[derive(Debug)]
pub struct Coded {
    pub key: bool,
    pub data: Bytes,
}

/// An encoder with one reference picture and no delay: one picture in, one access unit out.
pub struct Encoder {
    raw: *mut sys::ISVCEncoder,
    calls: sys::ISVCEncoderVtbl,
    params: sys::SEncParamExt,
    info: Box<sys::SFrameBSInfo>,
}

// SAFETY: the object has no ties to the thread that made it, and `&mut self` keeps calls one at a time.
unsafe impl Send for Encoder {}

impl Encoder {
    /// # Errors
    /// If OpenH264 refuses the configuration.
    pub fn new(config: &Config) -> Result<Encoder, Error> {
        let mut raw = ptr::null_mut();
        // SAFETY: `raw` is a valid place for the pointer; on success it points to an object whose first word is its table of
        // functions, all of which are set (`WelsCreateSVCEncoder` constructs a C++ object of that interface).
        let calls = unsafe {
            check("WelsCreateSVCEncoder", APILoader::WelsCreateSVCEncoder(&raw mut raw))?;
            **raw
        };
        let mut encoder = Encoder { raw, calls, params: sys::SEncParamExt::default(), info: Box::default() };
        encoder.initialise(config)?;
        Ok(encoder)
    }

    fn initialise(&mut self, config: &Config) -> Result<(), Error> {
        let call = |f| required("GetDefaultParams", f);
        // SAFETY: the object lives until drop; `params` is a valid place for what is written.
        check("GetDefaultParams", unsafe { call(self.calls.GetDefaultParams)?(self.raw, &raw mut self.params) })?;
        fill(&mut self.params, config);
        let mut silent: c_int = sys::WELS_LOG_QUIET;
        self.set(sys::ENCODER_OPTION_TRACE_LEVEL, (&raw mut silent).cast())?;
        let initialise = required("InitializeExt", self.calls.InitializeExt)?;
        // SAFETY: as above; the parameters are copied.
        check("InitializeExt", unsafe { initialise(self.raw, &raw const self.params) })
    }

    /// SPS and PPS, as they stand before every keyframe.
    ///
    /// # Errors
    /// If OpenH264 has none.
    pub fn parameter_sets(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        let call = required("EncodeParameterSets", self.calls.EncodeParameterSets)?;
        // SAFETY: the object is initialised, `info` is a valid place for the description of its buffers.
        check("EncodeParameterSets", unsafe { call(self.raw, &raw mut *self.info) })?;
        Ok(self.nals().map(<[u8]>::to_vec).collect())
    }

    /// Codes one picture of the configured size with quantiser `qp` (0 to 51), as a keyframe if asked.
    ///
    /// # Errors
    /// If OpenH264 fails.
    pub fn encode(&mut self, picture: &Planes<'_>, key: bool, qp: u8) -> Result<Coded, Error> {
        debug_assert!(picture.is_whole(), "planes shorter than they say");
        self.set_qp(qp)?;
        if key {
            let force = required("ForceIntraFrame", self.calls.ForceIntraFrame)?;
            // SAFETY: the object is initialised.
            check("ForceIntraFrame", unsafe { force(self.raw, true) })?;
        }
        let source = sys::SSourcePicture {
            iColorFormat: sys::videoFormatI420,
            iStride: [picture.y_stride as c_int, picture.c_stride as c_int, picture.c_stride as c_int, 0],
            pData: [picture.y, picture.u, picture.v, &[]].map(|plane| plane.as_ptr().cast_mut()),
            iPicWidth: picture.width as c_int,
            iPicHeight: picture.height as c_int,
            uiTimeStamp: 0,
            bPsnrY: false,
            bPsnrU: false,
            bPsnrV: false,
        };
        let encode = required("EncodeFrame", self.calls.EncodeFrame)?;
        // SAFETY: the planes hold `height` rows of `stride` bytes (checked by their constructor) and are only read; `info` is
        // a valid place for the description of the output, whose buffers belong to the object until the next call.
        check("EncodeFrame", unsafe { encode(self.raw, &raw const source, &raw mut *self.info) })?;
        Ok(self.coded())
    }

    /// The quantiser is a parameter of the layer: setting it touches nothing else and starts no new sequence.
    fn set_qp(&mut self, qp: u8) -> Result<(), Error> {
        let qp = c_int::from(qp.min(51));
        if self.params.sSpatialLayers[0].iDLayerQp == qp {
            return Ok(());
        }
        self.params.sSpatialLayers[0].iDLayerQp = qp;
        let params = (&raw mut self.params).cast();
        self.set(sys::ENCODER_OPTION_SVC_ENCODE_PARAM_EXT, params)
    }

    fn set(&mut self, option: sys::ENCODER_OPTION, value: *mut c_void) -> Result<(), Error> {
        let set = required("SetOption", self.calls.SetOption)?;
        // SAFETY: the object lives until drop; each caller passes a pointer to the type that the option takes, read only.
        check("SetOption", unsafe { set(self.raw, option, value) })
    }

    /// Copies what `info` describes, once.
    fn coded(&self) -> Coded {
        let mut data = BytesMut::with_capacity(self.nals().map(|nal| 4 + nal.len()).sum());
        for nal in self.nals().filter(|nal| !nal.is_empty()) {
            data.put_u32(nal.len() as u32);
            data.put_slice(nal);
        }
        Coded { key: self.info.eFrameType == sys::videoFrameTypeIDR, data: data.freeze() }
    }

    /// The NAL units that `info` describes, without start codes.
    fn nals(&self) -> impl Iterator<Item = &[u8]> {
        let layers = &self.info.sLayerInfo[..(self.info.iLayerNum.max(0) as usize).min(self.info.sLayerInfo.len())];
        layers.iter().flat_map(|layer| {
            let mut at = 0;
            (0..layer.iNalCount.max(0) as usize).map(move |n| {
                // SAFETY: after a successful call the layer has `iNalCount` lengths, and its buffer their sum in bytes. Both stay
                // until the next call, which takes `&mut self`.
                let nal = unsafe {
                    let len = (*layer.pNalLengthInByte.add(n)).max(0) as usize;
                    let nal = std::slice::from_raw_parts(layer.pBsBuf.add(at), len);
                    at += len;
                    nal
                };
                let start = nal.iter().position(|byte| *byte != 0).map_or(nal.len(), |one| one + 1);
                &nal[start..]
            })
        })
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: made by `WelsCreateSVCEncoder`, ended once.
        unsafe {
            if let Some(uninitialize) = self.calls.Uninitialize {
                uninitialize(self.raw);
            }
            APILoader::WelsDestroySVCEncoder(self.raw);
        }
    }
}

/// What was measured (benches/enc): CABAC saves 11 % of the bits; medium complexity 1 % for a fifth more CPU, which is
/// not taken; deblocking one step weaker gains 0.0005 of SSIM; denoising, background detection and the built-in rate control
/// lose more than they save.
fn fill(params: &mut sys::SEncParamExt, config: &Config) {
    params.iUsageType = sys::CAMERA_VIDEO_REAL_TIME;
    params.iPicWidth = config.width as c_int;
    params.iPicHeight = config.height as c_int;
    params.fMaxFrameRate = config.rate.clamp(1.0, 60.0);
    params.iRCMode = sys::RC_OFF_MODE;
    params.bEnableFrameSkip = false;
    params.iComplexityMode = sys::LOW_COMPLEXITY;
    params.uiIntraPeriod = 0;
    params.iNumRefFrame = 1;
    params.eSpsPpsIdStrategy = sys::CONSTANT_ID;
    params.iEntropyCodingModeFlag = 1;
    params.bEnableSceneChangeDetect = false;
    params.bEnableBackgroundDetection = false;
    params.bEnableAdaptiveQuant = false;
    params.bEnableDenoise = false;
    params.bEnableLongTermReference = false;
    params.iLoopFilterAlphaC0Offset = -1;
    params.iLoopFilterBetaOffset = -1;
    params.iMultipleThreadIdc = config.threads;
    // It would move the borders of slices by the clock, so that no two runs give the same stream, and make each of its buffers (one a
    // thread and one a slice) as large as all slices together: of 3840x2160 0.3 GB with four slices, 0.6 with eight, all of it cleared first.
    params.bUseLoadBalancing = false;
    params.iSpatialLayerNum = 1;
    params.iTemporalLayerNum = 1;
    let layer = &mut params.sSpatialLayers[0];
    layer.iVideoWidth = config.width as c_int;
    layer.iVideoHeight = config.height as c_int;
    layer.fFrameRate = params.fMaxFrameRate;
    layer.uiProfileIdc = sys::PRO_HIGH;
    layer.sSliceArgument.uiSliceMode = if config.slices > 1 { sys::SM_FIXEDSLCNUM_SLICE } else { sys::SM_SINGLE_SLICE };
    layer.sSliceArgument.uiSliceNum = config.slices.into();
    layer.bVideoSignalTypePresent = true;
    layer.uiVideoFormat = 5;
    layer.bFullRange = false;
    layer.bColorDescriptionPresent = true;
    if !config.sample_aspect.is_square() {
        layer.bAspectRatioPresent = true;
        layer.eAspectRatio = sys::ASP_EXT_SAR;
        layer.sAspectRatioExtWidth = config.sample_aspect.num() as u16;
        layer.sAspectRatioExtHeight = config.sample_aspect.den() as u16;
    }
    [layer.uiColorPrimaries, layer.uiTransferCharacteristics, layer.uiColorMatrix] = config.colour;
}

pub(super) fn check(call: &'static str, code: c_int) -> Result<(), Error> {
    if code == 0 { Ok(()) } else { Err(Error { call, code }) }
}

pub(super) fn required<F>(call: &'static str, function: Option<F>) -> Result<F, Error> {
    function.ok_or(Error { call, code: -1 })
}
