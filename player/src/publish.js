/** The page `/in/NAME`: sends the camera of this device, by a WebSocket at the address of the page. It stands alone: nothing of the player is loaded. */

const TEXTS = {
  en: {
    title: 'Send {name}',
    ready: 'Ready',
    asking: 'Allow the camera and the microphone',
    connecting: 'Connecting',
    sending: 'Live',
    away: 'Connection lost; trying again',
    ended: 'Stopped',
    start: 'Start',
    stop: 'Stop',
    front: 'Front camera',
    sound: 'Sound',
    numbers: '{rate} Mbit/s · {time}',
    insecure: 'The browser gives a camera only to a page that came by HTTPS, or from this machine.',
    noRecorder: 'This browser cannot record H.264. Chrome, Edge and Safari can.',
    noCamera: 'No camera: {why}',
    refused: 'The server does not take it: {why}',
  },
  zh: {
    title: '发送 {name}',
    ready: '准备就绪',
    asking: '请允许使用摄像头和麦克风',
    connecting: '正在连接',
    sending: '直播中',
    away: '连接已断开，正在重试',
    ended: '已停止',
    start: '开始',
    stop: '停止',
    front: '前置摄像头',
    sound: '声音',
    numbers: '{rate} Mbit/s · {time}',
    insecure: '浏览器只允许通过 HTTPS 或本机打开的页面使用摄像头。',
    noRecorder: '此浏览器无法录制 H.264。请使用 Chrome、Edge 或 Safari。',
    noCamera: '没有摄像头：{why}',
    refused: '服务器不接受：{why}',
  },
};
/** What the server reads and every browser shows: H.264. Matroska and WebM come frame by frame, MP4 in pieces. */
const TYPES = [
  'video/x-matroska;codecs=avc1,opus', 'video/webm;codecs=h264,opus', 'video/webm;codecs=avc1,opus',
  'video/mp4;codecs=avc1.42E01F,opus', 'video/mp4;codecs=avc1.42E01F,mp4a.40.2', 'video/mp4;codecs=avc1,mp4a.40.2',
];
/** So often the recorder gives what it has, milliseconds. */
const SLICE_MS = 100;
/** A message of the WebSocket, in bytes: the server takes up to 1 MiB. */
const MESSAGE = 256 * 1024;
const BITS = 2_500_000;
/** What waits for a slow network. Beyond it the stream is begun anew, and is live again. */
const MOST_WAITING = BITS / 2;
/** Between two tries: the last stays. */
const PAUSES_MS = [500, 1000, 2000, 4000];

const language = navigator.language?.toLowerCase().startsWith('zh') ? 'zh' : 'en';
const say = (key, values = {}) => TEXTS[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const find = selector => document.querySelector(selector);
const [video, state, numbers, actions] = ['video', '.state', '.numbers', '.actions'].map(find);
const name = decodeURIComponent(location.pathname.split('/').at(-1));
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** One connection and one recording: a recording begins with a head, so each connection has its own. */
class Sender {
  sent = 0;
  opened = false;

  /** @param {MediaStream} stream @param {string} type */
  constructor(stream, type) {
    this.socket = new WebSocket(location.href.replace(/^http/, 'ws').replace(/#.*/, ''));
    this.recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: BITS, audioBitsPerSecond: 64000, videoKeyFrameIntervalDuration: 1000 });
    this.queue = Promise.resolve();
    /** Why it ended: the close of the WebSocket. */
    this.over = new Promise(resolve => {
      this.socket.addEventListener('close', event => {
        this.#stop();
        resolve(event);
      });
    });
    this.socket.addEventListener('open', () => {
      this.opened = true;
      this.recorder.start(SLICE_MS);
    });
    this.recorder.addEventListener('dataavailable', event => (this.queue = this.queue.then(() => this.#send(event.data))));
    this.recorder.addEventListener('error', () => this.socket.close());
    this.recorder.addEventListener('stop', () => this.queue.then(() => this.socket.close(1000)));
  }

  /** Ends it, with what was recorded last. */
  close() {
    if (this.recorder.state === 'inactive') this.socket.close();
    this.#stop();
  }

  #stop() {
    if (this.recorder.state !== 'inactive') this.recorder.stop();
  }

  async #send(blob) {
    for (let at = 0; at < blob.size; at += MESSAGE) {
      const piece = await blob.slice(at, at + MESSAGE).arrayBuffer();
      if (this.socket.readyState !== WebSocket.OPEN) return;
      this.socket.send(piece);
      this.sent += piece.byteLength;
    }
    if (this.socket.bufferedAmount > MOST_WAITING) this.socket.close();
  }
}

/** The page: what is chosen, and what goes on. */
class Publisher {
  #type = TYPES.find(type => globalThis.MediaRecorder?.isTypeSupported(type));
  #start = button('start', () => (this.#wanted ? this.#end() : this.#begin()), 'main');
  #front = button('front', () => this.#turn());
  #sound = button('sound', () => this.#mute());
  #wanted = false;
  #stream = null;
  #sender = null;
  #lock = null;
  /** A connection of this stream was good: another one may still be thought to be there. */
  #opened = false;
  #since = 0;
  /** Of connections before. */
  #sent = 0;
  #last = { sent: 0, time: 0 };

  constructor() {
    document.documentElement.lang = language;
    document.title = say('title', { name });
    find('h1').textContent = name;
    this.#front.setAttribute('aria-pressed', 'false');
    this.#sound.setAttribute('aria-pressed', 'true');
    video.setAttribute('aria-label', say('title', { name }));
    const cannot = !isSecureContext || !navigator.mediaDevices ? 'insecure' : !this.#type && 'noRecorder';
    if (cannot) return show(say(cannot));
    actions.append(this.#start, this.#front, this.#sound);
    show(say('ready'));
    setInterval(() => this.#count(), 1000);
  }

  async #begin() {
    this.#wanted = true;
    this.#since = Date.now();
    this.#opened = false;
    this.#sent = this.#last.sent = 0;
    this.#start.textContent = say('stop');
    if (!(await this.#open())) return this.#end();
    for (let tries = 0; this.#wanted; tries++) {
      show(say(tries ? 'away' : 'connecting'));
      const sender = (this.#sender = new Sender(this.#stream, this.#type));
      sender.socket.addEventListener('open', () => show(say('sending'), true));
      const { code, reason } = await sender.over;
      this.#sent += sender.sent;
      this.#sender = null;
      if (!this.#wanted) break;
      // A rule of the server's: it would only say so again.
      const why = sender.opened ? [1003, 1009, 4401].includes(code) && (reason || String(code)) : await refusal(this.#opened);
      this.#opened ||= sender.opened;
      if (why) return this.#end(say('refused', { why }));
      if (sender.opened) tries = 0;
      await sleep(PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)]);
    }
  }

  /** @param {string} [why] */
  #end(why) {
    const failed = state.classList.contains('failed');
    this.#wanted = false;
    this.#sender?.close();
    this.#stream?.getTracks().forEach(track => track.stop());
    this.#lock?.release().catch(() => {});
    this.#stream = this.#lock = video.srcObject = null;
    this.#start.textContent = say('start');
    numbers.textContent = '';
    if (why || !failed) show(why ?? say('ended'));
  }

  /** The camera that is chosen. @returns {Promise<boolean>} */
  async #open() {
    show(say('asking'));
    const front = this.#front.getAttribute('aria-pressed') === 'true';
    const picture = { facingMode: front ? 'user' : 'environment', width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
    const ask = audio => navigator.mediaDevices.getUserMedia({ video: picture, audio });
    // A device may have no microphone.
    const stream = await ask(true).catch(error => (error.name === 'NotFoundError' ? ask(false) : Promise.reject(error))).catch(error => {
      show(say('noCamera', { why: error.message || error.name }), false, true);
      return null;
    });
    if (!stream) return false;
    this.#stream?.getTracks().forEach(track => track.stop());
    this.#stream = stream;
    this.#listen();
    video.srcObject = stream;
    video.muted = true;
    video.classList.toggle('mirrored', front);
    // A phone that sleeps sends nothing.
    this.#lock ??= await navigator.wakeLock?.request('screen').catch(() => null);
    return true;
  }

  async #turn() {
    toggle(this.#front);
    if (!this.#stream || !(await this.#open())) return;
    // What is recorded is the old camera: the stream goes on with the new one.
    this.#sender?.socket.close();
  }

  #mute() {
    toggle(this.#sound);
    this.#listen();
  }

  #listen() {
    const on = this.#sound.getAttribute('aria-pressed') === 'true';
    this.#stream?.getAudioTracks().forEach(track => (track.enabled = on));
  }

  #count() {
    if (!this.#wanted || !this.#sender?.opened) return;
    const [now, sent] = [performance.now(), this.#sent + this.#sender.sent];
    const rate = (8 * (sent - this.#last.sent)) / Math.max(now - this.#last.time, 1) / 1000;
    this.#last = { sent, time: now };
    const seconds = Math.floor((Date.now() - this.#since) / 1000);
    numbers.textContent = say('numbers', { rate: rate.toFixed(1), time: `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}` });
  }
}

/** Why the server refuses, which a WebSocket does not tell; nothing if it would not. `opened`: the name may still be taken by this page's last connection. */
async function refusal(opened) {
  const answer = await fetch(location.href, { method: 'PUT', body: '' }).catch(() => null);
  return answer && [401, 403, 404, opened ? 0 : 409].includes(answer.status) ? (await answer.text()).trim() : '';
}

function button(key, run, kind = '') {
  const element = document.createElement('button');
  element.type = 'button';
  element.className = kind;
  element.textContent = say(key);
  element.addEventListener('click', run);
  return element;
}

function toggle(element) {
  element.setAttribute('aria-pressed', String(element.getAttribute('aria-pressed') !== 'true'));
}

function show(text, sending = false, failed = false) {
  state.classList.toggle('sending', sending);
  state.classList.toggle('failed', failed);
  if (state.textContent !== text) state.textContent = text;
}

new Publisher();
