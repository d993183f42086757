/**
 * The players of a page. A browser paints many videos together, and many canvases one by one: nine canvases on two processors showed fewer pictures than
 * nine videos.
 */
const members = new Set();
let announced = false;

/** @param {() => void} changed  called when there are more players, or fewer */
export function join(changed) {
  members.add(changed);
  announce();
}

export function leave(changed) {
  if (members.delete(changed)) announce();
}

/** Whether there are more players than processors. */
export function isCrowded() {
  return members.size > (globalThis.navigator?.hardwareConcurrency || 2);
}

/** A page adds its players one after the other: all hear of it once. */
function announce() {
  if (announced) return;
  announced = true;
  queueMicrotask(() => {
    announced = false;
    for (const changed of members) changed();
  });
}
