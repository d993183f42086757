// A page with the players of HLS that sites use, each from its own package as it comes.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const modules = path.join(import.meta.dirname, '../node_modules');
const SCRIPTS = {
  'hls.js': 'hls.js/dist/hls.min.js',
  'video.js': 'video.js/dist/video.min.js',
  shaka: 'shaka-player/dist/shaka-player.compiled.js',
};

export const players = Object.keys(SCRIPTS);

/** The page asks for `?src=ADDRESS&players=NAMES`; `window.faults` has what the players complain of, and each <video> the name of its player as `id`. */
const PAGE = `<!doctype html><body><script type=module>
const query = new URLSearchParams(location.search);
const src = query.get('src');
window.faults = [];
const fault = (name, what) => window.faults.push(name + ': ' + what);
/** shaka-player up to 5.2.12 adds a millisecond to an offset below zero, takes that for another offset, and so loses parts that do not begin with a keyframe (its pull request 10559). */
function keepOffsets() {
  const { get, set } = Object.getOwnPropertyDescriptor(SourceBuffer.prototype, 'timestampOffset');
  const exact = function (offset) { set.call(this, offset < 0 ? offset - 0.001 : offset); };
  Object.defineProperty(SourceBuffer.prototype, 'timestampOffset', { get, set: exact, configurable: true });
}
/** VHS 3.17 puts the init segment before a part again and again, and MSE then loses pictures up to the next keyframe: the same one is left out. */
function initOnce() {
  const { appendBuffer } = SourceBuffer.prototype;
  const inits = new WeakMap();
  SourceBuffer.prototype.appendBuffer = function (data) {
    const bytes = new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    // An init segment is the boxes ftyp and moov.
    const begins = bytes.length > 8 && view.getUint32(4) === 0x66747970;
    const end = begins ? view.getUint32(0) + view.getUint32(view.getUint32(0)) : 0;
    const init = bytes.subarray(0, end).join();
    const again = begins && inits.get(this) === init;
    if (begins) inits.set(this, init);
    appendBuffer.call(this, again ? bytes.subarray(end) : data);
  };
}
/** VHS 3.17 takes the segment that is being made for one of a whole target duration, and waits near that end for a keyframe. This begins at one that is there. */
function beginAtKeyframe(player) {
  const { segments, targetDuration, serverControl } = player.tech(true).vhs.playlists.media();
  const length = parts => parts.reduce((sum, { duration }) => sum + duration, 0);
  const toCome = segments.at(-1)?.preload ? targetDuration - length(segments.at(-1).parts) : 0;
  const parts = segments.slice(-3).flatMap(segment => segment.parts ?? []);
  const from = parts.findLastIndex((part, at) => part.independent && length(parts.slice(at)) >= serverControl.partHoldBack);
  if (from >= 0) player.currentTime(player.seekable().end(0) + serverControl.partHoldBack - toCome - length(parts.slice(from)));
}
const start = {
  'hls.js': video => {
    const hls = new Hls({ lowLatencyMode: true, maxLiveSyncPlaybackRate: 1.5 });
    hls.on(Hls.Events.ERROR, (_, { fatal, details, type }) => {
      fault('hls.js', (fatal ? 'fatal ' : '') + details);
      // As its documentation has it.
      if (fatal && type === Hls.ErrorTypes.MEDIA_ERROR) hls.recoverMediaError();
      else if (fatal) setTimeout(() => hls.loadSource(src), 500);
    });
    // After a restart of the server nothing in the new playlist follows what hls.js had, and it waits for ever where it was.
    hls.on(Hls.Events.LEVEL_UPDATED, (_, { details }) => {
      if (video.readyState < 3 && video.currentTime > 0 && video.currentTime < details.fragmentStart) video.currentTime = hls.liveSyncPosition;
    });
    hls.loadSource(src);
    hls.attachMedia(video);
    return () => hls.latency;
  },
  'video.js': video => {
    initOnce();
    const player = videojs(video, { autoplay: 'play', liveui: true, html5: { vhs: { overrideNative: true, llhls: true } } });
    const load = () => player.src({ src, type: 'application/vnd.apple.mpegurl' });
    player.on('loadstart', () => player.tech(true).vhs.playlists.one('loadedmetadata', () => beginAtKeyframe(player)));
    player.on('error', () => {
      fault('video.js', player.error()?.message);
      setTimeout(load, 500);
    });
    load();
    return () => null;
  },
  shaka: async video => {
    shaka.polyfill.installAll();
    keepOffsets();
    const begin = async () => {
      const player = new shaka.Player();
      let failing = false;
      const failed = async error => {
        fault('shaka', error.code ?? error.message);
        // What it mends by itself has severity 1, and a code; an exception in its own code comes again at each reload. After anything else a new player begins.
        if (failing || (error.severity === 1 && error.code)) return;
        failing = true;
        await player.destroy();
        setTimeout(begin, 500);
      };
      player.addEventListener('error', event => failed(event.detail));
      await player.attach(video);
      // It looks for captions in a segment that is not whole as well, and fails, since that has no address.
      player.configure({ streaming: { lowLatencyMode: true }, manifest: { hls: { disableClosedCaptionsDetection: true } } });
      // Asked to play before it can: shaka leaves the gap before its first picture alone as long as the video is paused (GapJumpingController).
      await player.load(src).then(() => void video.play().catch(() => {}), failed);
    };
    begin();
    return () => null;
  },
};
for (const name of query.get('players').split(',')) {
  const video = document.body.appendChild(document.createElement('video'));
  video.id = name.replace('.', '');
  video.width = 320;
  video.muted = true;
  video.playsInline = true;
  video.begun = performance.now();
  // At its second picture a video plays.
  video.requestVideoFrameCallback(() => video.requestVideoFrameCallback(() => { video.first = performance.now() - video.begun; }));
  // Not by the attribute "autoplay": by that Firefox begins when it has seconds in hand, which never come of a live stream of low latency.
  video.addEventListener('canplay', () => video.play());
  await start[name](video);
}
window.ready = true;
</script>`;

/** Serves that page; `url(src, names)`: its address. */
export async function playersPage() {
  const server = http.createServer((request, response) => {
    const at = request.url.split('?')[0].slice(1);
    if (at === '') {
      const scripts = Object.keys(SCRIPTS).map(name => `<script src="/${name}"></script>`).join('');
      response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE.replace('<body>', `<body>${scripts}`));
    } else if (SCRIPTS[at]) {
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(fs.readFileSync(path.join(modules, SCRIPTS[at])));
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return { origin, url: (src, names = players) => `${origin}/?src=${encodeURIComponent(src)}&players=${names.join()}`, close: () => server.close() };
}

/** Of each player: where it is, how many pictures it has shown, and after how many ms it played. */
export const playing = page => page.evaluate(() => Object.fromEntries([...document.querySelectorAll('video')].map(v => [
  (v.id || v.parentElement.id).replace(/_html5_api$/, ''),
  { time: v.currentTime, pictures: v.mozPaintedFrames ?? v.getVideoPlaybackQuality().totalVideoFrames, width: v.videoWidth, first: v.first ?? null, state: v.readyState, ahead: v.buffered.length ? v.buffered.end(v.buffered.length - 1) - v.currentTime : null },
])));
