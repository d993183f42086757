// What is asked inside of the page. The clock in the test picture: 36 columns × 2 rows of blocks at the top, column c from c·W/36 to (c+1)·W/36,
// each max(8, W/36) high. Row 0: 32 bits of capture time (Unix ms modulo 2³²) and the high half of a checksum; row 1: 32 bits of frame number and
// the low half. The checksum is CRC-8, polynomial 0x07, initial value 0xFF, over the eight bytes.
import { until } from './programs.mjs';

/** The page's player is there: a page makes it when it knows of the stream. */
export const playerIsThere = page => until('the player is there', () => page.evaluate(() => document.querySelector('h5-live') !== null));

/** Lets the page's player take a transport, once it is there. */
export async function useTransport(page, transport) {
  await playerIsThere(page);
  await page.evaluate(transport => (document.querySelector('h5-live').transport = transport), transport);
}

/**
 * Notes in `window.arrived` the capture time (Unix ms) of the newest picture that has come over a WebSocket: from the prft box of a chunk, or from the
 * message before a JPEG picture. It sees the connections that are opened from then on.
 */
export function watchArrivals(page) {
  return page.evaluate(() => {
    const NTP_TO_UNIX_S = 2208988800;
    const captured = data => {
      if (typeof data === 'string') {
        const { type, value } = JSON.parse(data);
        return type === 'captured' ? value : null;
      }
      const view = new DataView(data);
      // A box of a chunk begins with its size and its type; prft has version, flags and the track before the NTP time.
      for (let at = 0; at + 24 <= view.byteLength && view.getUint32(at + 4) !== 0x6d646174; at += Math.max(8, view.getUint32(at))) {
        if (view.getUint32(at + 4) === 0x70726674) return (view.getUint32(at + 16) - NTP_TO_UNIX_S) * 1000 + (view.getUint32(at + 20) * 1000) / 2 ** 32;
      }
      return null;
    };
    window.arrived = null;
    window.WebSocket = class extends window.WebSocket {
      constructor(...args) {
        super(...args);
        this.addEventListener('message', ({ data }) => {
          const time = captured(data);
          if (time === null) return;
          window.arrived = time;
        });
      }
    };
  });
}

/**
 * Starts to read the clock of every picture that the element presents, into `window.clock`: null where the checksum fails.
 * @param {number} [every]  one picture of so many in a `<video>` is read: reading each of them makes Firefox 30 to 60 ms later. The time of the others is
 *   known from their distance to it on the timeline of the media. WebKitGTK does not say when it shows another one, and is read at every second frame of the page
 */
export function watchClock(page, selector = 'h5-live', every = 1) {
  return page.evaluate(([selector, every]) => {
    const host = document.querySelector(selector);
    const inside = host.shadowRoot ?? host;
    const video = host.localName === 'video' ? host : inside.querySelector('video');
    const image = host.localName === 'img' ? host : inside.querySelector('img');
    const canvas = document.createElement('canvas');
    const context = canvas.getContext('2d', { willReadFrequently: true });
    const crc8 = bytes => bytes.reduce((crc, byte) => {
      crc ^= byte;
      for (let i = 0; i < 8; i++) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : (crc << 1) & 0xff;
      return crc;
    }, 0xff);
    canvas.width = 36;
    canvas.height = 2;
    context.imageSmoothingEnabled = false;
    window.clock = [];
    window.presented = 0;
    let last = null;
    const since = (time, now) => ((((now - time) % 2 ** 32) + 1.5 * 2 ** 32) % 2 ** 32) - 2 ** 31;
    const note = (frame, time) => {
      const inHand = window.arrived ? since(time, window.arrived) : null;
      window.clock.push({ frame, time, latency: since(time, Date.now()), inHand, at: performance.now(), shown: host.stats?.latency ?? null });
    };
    /** Notes the picture, by its own time or by `timed` of that; gives its time, null where it cannot be read. */
    const read = (source, width, { again = false, timed = time => time } = {}) => {
      const block = Math.max(8, Math.floor(width / 36));
      // Both rows at once: WebKitGTK may show another picture between two calls.
      context.drawImage(source, 0, 0, width, 2 * block, 0, 0, 36, 2);
      const { data } = context.getImageData(0, 0, 36, 2);
      const number = (from, to) => { let v = 0; for (let i = from; i < to; i++) v = v * 2 + (data[i * 4] > 128 ? 1 : 0); return v; };
      const [time, frame] = [number(0, 32), number(36, 68)];
      const bytes = [time, frame].flatMap(v => [24, 16, 8, 0].map(shift => (v >>> shift) & 0xff));
      const good = crc8(bytes) === number(32, 36) * 16 + number(68, 72);
      if (again && good && frame === last) return null;
      last = frame;
      if (good) note(frame, timed(time));
      else window.clock.push(null);
      return good ? time : null;
    };
    let called = false;
    /**
     * Between the clock of the picture and the time of the media, ms, by the last pictures that were read. The middle one is right: in a third of the
     * callbacks of Firefox a canvas still gets the picture before the one that is meant.
     */
    const offsets = [];
    const byMedia = (time, media) => {
      const offset = time - media;
      if (Math.abs(offset - offsets.at(-1)) > 500) offsets.length = 0;
      offsets.push(offset);
      if (offsets.length > 31) offsets.shift();
      return media + middle();
    };
    const middle = () => [...offsets].sort((a, b) => a - b)[offsets.length >> 1];
    const onframe = (_, { mediaTime }) => {
      called = true;
      const media = 1000 * mediaTime;
      if (offsets.length === 0 || window.presented % every === 0) read(video, video.videoWidth, { timed: time => byMedia(time, media) });
      else note(null, media + middle());
      window.presented++;
      video.requestVideoFrameCallback(onframe);
    };
    /** Pictures that the browser says it has painted; for a canvas and an image, those that could be read. */
    window.painted = () => {
      if (!video?.checkVisibility()) return new Set(window.clock.map(r => r?.frame)).size;
      const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
      return video.mozPaintedFrames ?? totalVideoFrames - droppedVideoFrames;
    };
    let turn = 0;
    // Neither a canvas nor every image tells that it was painted: they are looked at before each frame of the page.
    const painted = inside.querySelector('canvas[part=canvas]');
    const onpaint = () => {
      // WebKitGTK never calls for a frame.
      if (!called && video?.checkVisibility() && video.readyState >= 2 && (every === 1 || turn++ % 2 === 0)) read(video, video.videoWidth, { again: true });
      if (painted?.checkVisibility() && painted.width) read(painted, painted.width, { again: true });
      if (image?.checkVisibility() && image.naturalWidth) read(image, image.naturalWidth, { again: true });
      requestAnimationFrame(onpaint);
    };
    onpaint();
  }, [selector, every]);
}

/**
 * The clock's readings since the last call: how many were good, by how many frames it went back at most, which part of the frames was seen, the median
 * latency in ms, the median of the page's own figure, and that of the difference of both. `inHand`: the median of the media, in ms, that had
 * come and was newer than the picture on the screen; `margin`: what it was at least, in nine of ten pictures; null without `watchArrivals`.
 */
export async function readClock(page) {
  const readings = await page.evaluate(() => window.clock.splice(0));
  const good = readings.filter(Boolean);
  const framed = good.filter(r => r.frame !== null);
  const latencies = good.map(r => r.latency).sort((a, b) => a - b);
  const inHand = good.map(r => r.inHand).filter(inHand => inHand !== null).sort((a, b) => a - b);
  return {
    pictures: readings.length,
    good: readings.length ? good.length / readings.length : 0,
    back: Math.max(0, ...framed.map((r, i) => (i === 0 ? 0 : framed[i - 1].frame - r.frame))),
    frames: framed.map(r => r.frame),
    seen: new Set(framed.map(r => r.frame)).size / (1 + Math.max(...framed.map(r => r.frame)) - Math.min(...framed.map(r => r.frame))),
    p50: latencies[latencies.length >> 1] ?? NaN,
    p95: latencies[Math.floor(latencies.length * 0.95)] ?? NaN,
    shown: middle(good.map(r => r.shown).filter(shown => shown !== null)),
    astray: middle(good.filter(r => r.shown !== null).map(r => r.shown - r.latency)),
    inHand: middle(inHand),
    margin: inHand[Math.floor(inHand.length / 10)] ?? null,
  };
}

function middle(values) {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? null;
}

/** What the player says of itself; {} before it is there. */
export const stats = page => page.evaluate(() => document.querySelector('h5-live')?.stats ?? {});

/** Looks before each frame whether there is a picture: of the transport, or the one that is held. `window.blanks`: when there was none. */
export const watchBlanks = page => page.evaluate(() => {
  const root = document.querySelector('h5-live').shadowRoot;
  const part = name => root.querySelector(`[part~=${name}]`);
  const shows = {
    // A browser that seeks shows the old picture until it has the new one.
    video: v => v.videoWidth > 0 && (v.readyState >= 2 || v.seeking),
    // So does an image that has another one to load.
    img: i => i.naturalWidth > 0 || (i.hasAttribute('src') && !i.complete),
    canvas: c => c.width > 0,
  };
  window.blanks = [];
  const look = () => {
    const surfaces = [part('video'), part('image'), part('canvas'), part('still')].filter(e => e.checkVisibility());
    if (!surfaces.some(e => shows[e.localName](e))) window.blanks.push([performance.now(), document.querySelector('h5-live').stats.transport]);
    requestAnimationFrame(look);
  };
  look();
});

/** What the <video> inside says. */
export const video = page => page.evaluate(() => {
  const v = document.querySelector('h5-live').shadowRoot.querySelector('video');
  const quality = v.getVideoPlaybackQuality();
  return { time: v.currentTime, frames: quality.totalVideoFrames, error: v.error?.message ?? null, muted: v.muted, width: v.videoWidth, audioBytes: v.webkitAudioDecodedByteCount ?? null, audio: v.mozHasAudio ?? null };
});

/** A real click into the middle of an element inside the player. */
export async function click(page, selector) {
  const [x, y] = await page.evaluate(selector => {
    const { left, top, width, height } = document.querySelector('h5-live').shadowRoot.querySelector(selector).getBoundingClientRect();
    return [left + width / 2, top + height / 2];
  }, selector);
  await page.mouse.click(x, y);
}
