import { surface } from '../engine/colour.js';
import { drawShown } from '../engine/orientation.js';

/** The picture in its own size as a PNG. @param {{element: CanvasImageSource, width: number, height: number, ready: boolean}} picture @returns {Promise<Blob>} */
export function snapshot({ element, width, height, ready }) {
  if (!ready) return Promise.reject(new Error('there is no picture yet'));
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  drawShown(canvas.getContext('2d', surface()), element, width, height);
  return new Promise((resolve, reject) => canvas.toBlob(blob => (blob ? resolve(blob) : reject(new Error('the browser gives no PNG'))), 'image/png'));
}

/** `NAME-2026-01-31-120501.png`, by the clock on the wall. */
export function snapshotName(name, date = new Date()) {
  const two = number => String(number).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${name || 'live'}-${day}-${two(date.getHours())}${two(date.getMinutes())}${two(date.getSeconds())}.png`;
}

/** Hands a file to the person. */
export function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // At once would be too soon for some browsers.
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
