// Streams that are shown otherwise than they are coded: turned, mirrored, of wide pixels. And where the corners of their picture are seen.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/** Colours of the coded picture's quarters, row by row, as three bits: red, green, blue. */
const QUARTERS = ['red', 'lime', 'blue', 'white'];
const NAMES = { 100: 'red', '010': 'lime', '001': 'blue', 111: 'white', '000': 'black' };

/** The eight orientations by their EXIF numbers: the matrix `a b c d`, and the quarters as they are seen, row by row. */
export const ORIENTATIONS = {
  1: { matrix: [1, 0, 0, 1], seen: ['red', 'lime', 'blue', 'white'] },
  2: { matrix: [-1, 0, 0, 1], seen: ['lime', 'red', 'white', 'blue'] },
  3: { matrix: [-1, 0, 0, -1], seen: ['white', 'blue', 'lime', 'red'] },
  4: { matrix: [1, 0, 0, -1], seen: ['blue', 'white', 'red', 'lime'] },
  5: { matrix: [0, 1, 1, 0], seen: ['red', 'blue', 'lime', 'white'] },
  6: { matrix: [0, 1, -1, 0], seen: ['blue', 'red', 'white', 'lime'] },
  7: { matrix: [0, -1, -1, 0], seen: ['white', 'lime', 'blue', 'red'] },
  8: { matrix: [0, -1, 1, 0], seen: ['lime', 'white', 'red', 'blue'] },
};

/** 160x120, four quarters of one colour each, twenty seconds of it. */
const SOURCE = (() => {
  const [a, b, c, d] = QUARTERS.map(colour => `color=${colour}:size=80x60:rate=10:duration=20`);
  return `${a}[a];${b}[b];${c}[c];${d}[d];[a][b]hstack[t];[c][d]hstack[u];[t][u]vstack`;
})();

function ffmpeg(file, filter, ...args) {
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', '-filter_complex', `${SOURCE}${filter}`, ...args, file]);
  return file;
}

/** A fragmented MP4 file of H.264; `sar` as in '2/1' is the shape of its pixels. */
export function movie(dir, name, { exif = 1, sar = '1/1' } = {}) {
  const file = path.join(dir, `${name}.mp4`);
  ffmpeg(file, `,setsar=${sar}`, '-c:v', 'libx264', '-preset', 'veryfast', '-g', '10', '-bf', '0', '-pix_fmt', 'yuv420p', '-movflags', 'frag_every_frame+empty_moov+default_base_moof');
  const bytes = fs.readFileSync(file);
  // tkhd of version 0: the matrix is 40 bytes behind its head.
  const at = bytes.indexOf('tkhd') + 4 + 40;
  const { matrix: [a, b, c, d] } = ORIENTATIONS[exif];
  [a, b, 0, c, d, 0].forEach((value, i) => bytes.writeInt32BE(i % 3 === 2 ? 0 : value * 0x10000, at + 4 * i));
  fs.writeFileSync(file, bytes);
  return file;
}

/** JPEG pictures one after the other, with an orientation in their EXIF, and in their JFIF the shape of pixels. */
export function pictures(dir, name, { exif = 1, sar = '1/1' } = {}) {
  const file = path.join(dir, `${name}.mjpeg`);
  ffmpeg(file, `,setsar=${sar}`, '-frames:v', '1', '-c:v', 'mjpeg', '-q:v', '2', '-pix_fmt', 'yuvj420p', '-f', 'image2pipe');
  const image = fs.readFileSync(file);
  const tiff = Buffer.from(`4d4d002a00000008000101120003000000010${0}0${exif}000000000000`, 'hex');
  const segment = Buffer.concat([Buffer.from([0xff, 0xe1, 0, 8 + tiff.length]), Buffer.from('Exif\0\0'), tiff]);
  // Behind the JFIF segment.
  const at = 4 + image.readUInt16BE(4);
  const turned = exif === 1 ? image : Buffer.concat([image.subarray(0, at), segment, image.subarray(at)]);
  fs.writeFileSync(file, Buffer.concat(Array(200).fill(turned)));
  return file;
}

/** The names of the colours at the middles of the quarters of a box in a PNG. */
export function quarters(png, { left, top, width, height }) {
  // IHDR is the first chunk of a PNG.
  const [w, h] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const pixels = execFileSync('ffmpeg', ['-v', 'error', '-i', '-', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'], { input: png, maxBuffer: 64 << 20 });
  const at = (x, y) => {
    const place = 3 * (Math.min(h - 1, Math.round(top + y * height)) * w + Math.min(w - 1, Math.round(left + x * width)));
    const bits = [...pixels.subarray(place, place + 3)].map(value => (value > 128 ? 1 : 0)).join('');
    return NAMES[bits] ?? bits;
  };
  return [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]].map(([x, y]) => at(x, y));
}
