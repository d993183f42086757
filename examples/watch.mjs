// Watches a stream with Node.js and nothing else: MP4 to stdout, and a line on stderr for each second of it.
//
//     node watch.mjs http://127.0.0.1:8080/live >live.mp4
const address = process.argv[2] ?? 'http://127.0.0.1:8080/live';
const headers = process.env.H5_TOKEN ? { Authorization: `Bearer ${process.env.H5_TOKEN}` } : {};

const streams = await fetch(new URL('api/streams', address), { headers }).then(answer => answer.json());
const { codecs, width, height } = streams[address.split('/').pop()] ?? {};
console.error(`${codecs}, ${width}x${height}`);

const answer = await fetch(`${address}.mp4`, { headers });
if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
let bytes = 0;
setInterval(() => console.error(`${bytes} bytes`), 1000).unref();
for await (const piece of answer.body) {
  bytes += piece.length;
  // The server drops frames for a reader that waits: so nothing piles up here.
  if (!process.stdout.write(piece)) await new Promise(resolve => process.stdout.once('drain', resolve));
}
