import { isWebKitGtk } from './sight.js';

/**
 * Which way up a picture is shown, and how wide its pixels are. Where a browser does not see to it itself, the element is turned and
 * stretched by style, a canvas by drawing.
 *
 * @typedef {object} Pose  What brings a picture upright: it is stretched, mirrored left to right, and then turned.
 * @property {number} turns      quarter turns clockwise, 0 to 3
 * @property {boolean} mirrored
 * @property {number | null} aspect  width to height of a pixel before it is turned; null where nothing is said
 */

/** @type {Pose} */
const UPRIGHT = { turns: 0, mirrored: false, aspect: null };
/** What style does for each element. */
const poses = new WeakMap();
/** Gecko turns the picture as the matrix of MP4 says, but takes a matrix that mirrors for none. It is known by a property that no other engine has. */
const ignoresMirrors = () => 'mozHasAudio' in HTMLVideoElement.prototype;

/** The pose of a video track, by its matrix, `pasp`, and the size in `tkhd`. @param {import('./bmff.js').Track} track @returns {Pose} */
export function poseOf({ matrix, coded, surface, pasp }) {
  const [a, b, c, d] = matrix;
  const slant = Math.max(Math.abs(a), Math.abs(d)) < Math.max(Math.abs(b), Math.abs(c));
  const turns = slant ? (c < 0 ? 1 : 3) : d < 0 ? 2 : 0;
  return { turns, mirrored: a * d - b * c < 0, aspect: shapeOf(coded, surface, pasp) };
}

function shapeOf([width, height], [shownWidth, shownHeight], pasp) {
  if (pasp?.every(side => side > 0)) return pasp[0] / pasp[1];
  const differs = Math.abs(shownWidth - width) >= 1 || Math.abs(shownHeight - height) >= 1;
  return differs && width > 0 && shownHeight > 0 && shownWidth > 0 ? (shownWidth / shownHeight) * (height / width) : null;
}

/** `{turns, aspect}` by what a server says of JPEG pictures, which say themselves which way up they are. @returns {Pose} */
export function poseOfPictures({ orientation = 1, sample_aspect: shape = '' }) {
  const [wide, high] = shape.split(':').map(Number);
  const aspect = wide > 0 && high > 0 ? wide / high : null;
  return { ...UPRIGHT, aspect: aspect && orientation > 4 ? 1 / aspect : aspect };
}

/** Whether a `<video>` of this browser needs help with MP4 like this; it then gets the init segment without its matrix. WebKitGTK turns nothing that comes by a MediaSource. */
export const needsHelp = ({ turns, mirrored }) => (mirrored && ignoresMirrors()) || ((mirrored || turns > 0) && isWebKitGtk());

/** The init segment with matrices that do nothing. */
export function withoutMatrix(init, places) {
  const copy = init.slice(0);
  const view = new DataView(copy);
  for (const at of places) [0x10000, 0, 0, 0, 0x10000].forEach((value, i) => view.setInt32(at + 4 * i, value));
  return copy;
}

/**
 * What is left to do for a picture that the browser shows with `natural` width to height.
 * @param {Pose} pose @param {number[]} coded @param {number} natural @param {boolean} stripped  the browser does not know how to turn it
 */
export function remaining(pose, [width, height], natural, stripped) {
  const aspect = pose.aspect ?? 1;
  const sideways = pose.turns % 2 === 1;
  const ways = [[true, true], [true, false], [false, true], [false, false]].filter(([turned]) => !(turned && stripped));
  const off = ([turned, stretched]) => {
    const ratio = (width / height) * (stretched ? aspect : 1);
    return Math.abs(Math.log(natural / (turned && sideways ? 1 / ratio : ratio)));
  };
  // The browser is believed where the sizes do not tell.
  const [turned, stretched] = ways.reduce((best, way) => (off(way) < off(best) - 0.005 ? way : best));
  const stretch = stretched ? null : turned && sideways ? 1 / aspect : aspect;
  return { turns: turned ? 0 : pose.turns, mirrored: !turned && pose.mirrored, aspect: stretch };
}

/** Turns and stretches what an element shows, by its style; `null` leaves it as it is. Its box is that of the player, whatever way `object-fit` fills it. Says `turned`. */
export function turnElement(element, pose) {
  const { turns, mirrored, aspect } = pose ?? UPRIGHT;
  const upright = turns === 0 && !mirrored && (aspect === null || aspect === 1);
  if (upright) poses.delete(element);
  else poses.set(element, { turns, mirrored, aspect });
  const sideways = turns % 2 === 1;
  const style = upright ? {} : {
    inset: '50% auto auto 50%',
    width: `calc(${sideways ? '100cqh' : '100cqw'} / ${aspect ?? 1})`,
    height: sideways ? '100cqw' : '100cqh',
    transform: `translate(-50%, -50%) rotate(${turns * 90}deg) scale(${(mirrored ? -1 : 1) * (aspect ?? 1)}, 1)`,
  };
  for (const name of ['inset', 'width', 'height', 'transform']) element.style.setProperty(name, style[name] ?? '');
  element.dispatchEvent(new Event('turned'));
}

/** The size of a picture of this size when it is upright and its pixels are square: the side that is too short grows. */
export function uprightSize({ turns, aspect }, width, height) {
  const shape = aspect ?? 1;
  const [w, h] = shape >= 1 ? [Math.floor(width * shape + 1e-6), height] : [width, Math.floor(height / shape + 1e-6)];
  return turns % 2 === 1 ? { width: h, height: w } : { width: w, height: h };
}

/**
 * The size in which a decoded picture is to be taken, before it is stretched. WebKitGTK gives pictures that are stretched already, by leaving out rows or columns.
 * @param {number[]} coded  as the track has it
 */
export function unstretched([codedWidth, codedHeight], width, height) {
  const isOther = Math.abs(Math.log((width * codedHeight) / (height * codedWidth))) > 0.02;
  return isOther ? [codedWidth, codedHeight] : [width, height];
}

/** Width and height of what an element shows, whose own are these. */
export const shownSize = (element, width, height) => uprightSize(poses.get(element) ?? UPRIGHT, width, height);

/** Draws a picture upright, over all of a canvas of this size. */
export function drawUpright(context, picture, { turns, mirrored }, width, height) {
  if (turns === 0 && !mirrored) return void context.drawImage(picture, 0, 0, width, height);
  const [w, h] = turns % 2 === 1 ? [height, width] : [width, height];
  context.save();
  context.translate(width / 2, height / 2);
  context.rotate((turns * Math.PI) / 2);
  context.scale(mirrored ? -1 : 1, 1);
  context.drawImage(picture, -w / 2, -h / 2, w, h);
  context.restore();
}

/** Draws what an element shows. */
export const drawShown = (context, element, width, height) => drawUpright(context, element, poses.get(element) ?? UPRIGHT, width, height);
