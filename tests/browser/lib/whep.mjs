// A player of WebRTC: what any server says by WHEP (RFC 9725's counterpart for viewers, draft-ietf-wish-whep), in a plain `<video>`.
import { until } from './programs.mjs';

/**
 * Puts the pictures of a WHEP server into a `<video>` of the page. The offer has all addresses of the browser; the request goes out from here, so that no server
 * has to allow the page.
 * @param {string} address  of the WHEP endpoint
 */
export async function whep(page, address) {
  const offer = await page.evaluate(async () => {
    const peer = (window.peer = new RTCPeerConnection());
    const video = document.createElement('video');
    video.muted = true;
    peer.addTransceiver('video', { direction: 'recvonly' });
    peer.ontrack = ({ track }) => {
      video.srcObject = new MediaStream([track]);
      video.play();
    };
    document.body.replaceChildren(video);
    const gathered = new Promise(resolve => (peer.onicegatheringstatechange = () => peer.iceGatheringState === 'complete' && resolve()));
    await peer.setLocalDescription(await peer.createOffer());
    await gathered;
    return peer.localDescription.sdp;
  });
  const answer = await fetch(address, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: offer });
  if (answer.status !== 201) throw new Error(`the WHEP server answered ${answer.status} ${answer.statusText}`);
  await page.evaluate(sdp => window.peer.setRemoteDescription({ type: 'answer', sdp }), await answer.text());
  await until('a picture by WebRTC', () => page.evaluate(() => document.querySelector('video').videoWidth > 0), 20000);
}
