// How far sound and picture are apart, by the test source: it beeps at each whole second of the media, and its picture says which frame it is.

/** In the page, before it plays sound: from then on all that goes to the speakers is listened to, and each picture on the canvas is noted. */
export function watchLips(page) {
  return page.evaluate(() => {
    const { connect } = AudioNode.prototype;
    window.beeps = [];
    AudioNode.prototype.connect = function (to, ...more) {
      if (to === this.context.destination) listen(this);
      return connect.call(this, to, ...more);
    };
    const listen = node => {
      const { context } = node;
      const analyser = new AnalyserNode(context, { fftSize: 8192 });
      connect.call(node, analyser);
      const samples = new Float32Array(analyser.fftSize);
      setInterval(() => {
        const { contextTime, performanceTime } = context.getOutputTimestamp();
        const now = context.currentTime;
        analyser.getFloatTimeDomainData(samples);
        // The tone between the beeps is at 0.02, a beep at 0.25.
        const loud = samples.findIndex(sample => Math.abs(sample) > 0.1);
        if (loud < 480 || samples.subarray(loud - 480, loud).some(sample => Math.abs(sample) > 0.1)) return;
        const at = performanceTime + 1000 * (now - (samples.length - loud) / context.sampleRate - contextTime);
        if (!(at - window.beeps.at(-1) < 500)) window.beeps.push(at);
      }, 40);
    };
  });
}

/** By how many ms each picture of a whole second came after its beep, from what watchClock and watchLips have seen; and how many pictures were seen. */
export async function lips(page, rate) {
  const { beeps, pictures } = await page.evaluate(() => ({ beeps: window.beeps, pictures: window.clock.filter(Boolean).map(({ frame, at }) => ({ frame, at })) }));
  const latest = pictures.at(-1)?.at ?? 0;
  const first = new Map();
  for (const { frame, at } of pictures) if (frame !== null && !first.has(frame)) first.set(frame, at);
  const apart = beeps.filter(at => at < latest).map(at => {
    const near = [...first].filter(([frame]) => frame % rate === 0).map(([, shown]) => shown + 16 - at).sort((a, b) => Math.abs(a) - Math.abs(b));
    return near[0];
  }).filter(ms => Math.abs(ms) < 500);
  return { apart, pictures: pictures.length };
}
