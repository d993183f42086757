/** Colours beyond those of sRGB, where the screen has them. */

const screenHas = query => globalThis.matchMedia?.(query).matches ?? false;

/** For `getContext('2d')` of a canvas that shows pictures: with the colours of the screen, and not those of sRGB alone. */
export const surface = () => ({ alpha: false, colorSpace: screenHas('(color-gamut: p3)') ? 'display-p3' : 'srgb' });

/**
 * Whether a `<video>` shows this picture brighter than a canvas can: HDR (PQ or HLG, Rec. ITU-R BT.2100) on a screen for it. A canvas has no
 * more than the brightness of white, to which the browser maps the picture.
 * @param {VideoColorSpace | null} colorSpace  of a VideoFrame
 */
export const isForVideo = colorSpace => ['pq', 'hlg'].includes(colorSpace?.transfer) && screenHas('(dynamic-range: high)');
