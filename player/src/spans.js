/** What was recorded, as a time line needs it. Pure; times are Unix seconds. */

/** What is closer to each other than this is one span, seconds. */
const JOINED_S = 0.5;
/** A mark on the time line every so often, seconds; from a day on by the calendar. */
const STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200];
const DAY_S = 86400;

/** Spans of time, apart from each other and in order. */
export class Spans {
  #begins = [];
  #ends = [];

  /** What is known of the time from the first of these on is that. @param {number[][]} list  begin and end of each */
  replace(list) {
    if (list.length === 0) return;
    const first = list[0][0];
    while (this.length > 0 && this.#ends.at(-1) >= first - JOINED_S) {
      const begin = this.#begins.pop();
      this.#ends.pop();
      if (begin < first) list = [[begin, list[0][1]], ...list.slice(1)];
    }
    for (const [begin, end] of list) {
      this.#begins.push(begin);
      this.#ends.push(end);
    }
  }

  get length() {
    return this.#begins.length;
  }

  get first() {
    return this.#begins[0] ?? null;
  }

  get last() {
    return this.#ends.at(-1) ?? null;
  }

  /** The last span goes on to this time. */
  extend(time) {
    if (this.length > 0 && time > this.last) this.#ends[this.length - 1] = time;
  }

  /** What is before this time is gone. */
  forget(time) {
    while (this.length > 0 && this.#ends[0] <= time) {
      this.#begins.shift();
      this.#ends.shift();
    }
    if (this.length > 0) this.#begins[0] = Math.max(this.#begins[0], time);
  }

  /** The number of the first span that ends after a time. */
  #after(time) {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ends[middle] > time) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The first time at or after this one of which there is something; null where there is none. */
  next(time) {
    const index = this.#after(time);
    return index < this.length ? Math.max(time, this.#begins[index]) : null;
  }

  /** How much of each of so many equal parts of a time was recorded, 0 to 1. @returns {Float32Array} */
  cover(from, to, columns) {
    const covered = new Float32Array(columns);
    const scale = columns / (to - from);
    for (let index = this.#after(from); index < this.length && this.#begins[index] < to; index++) {
      const begin = Math.max(0, (this.#begins[index] - from) * scale);
      const end = Math.min(columns, (this.#ends[index] - from) * scale);
      const last = Math.min(columns - 1, Math.floor(end));
      for (let column = Math.floor(begin); column <= last; column++) covered[column] += Math.max(0, Math.min(end, column + 1) - Math.max(begin, column));
    }
    return covered;
  }
}

/** A list of spans, with one that goes on where they end, or behind it. */
export function prolonged(list, [begin, end]) {
  const last = list.at(-1);
  if (!last) return [[begin, end]];
  if (end <= last[1]) return list;
  return begin <= last[1] + JOINED_S ? [...list.slice(0, -1), [last[0], end]] : [...list, [begin, end]];
}

/** What is covered alike, as [first column, columns, 1 to 4]: a part that has anything is seen, and so is one that lacks anything. */
export function runs(covered) {
  const level = part => (part <= 0 ? 0 : part > 0.98 ? 4 : 1 + Math.min(2, Math.floor(3 * part)));
  const found = [];
  for (let column = 0; column < covered.length; ) {
    const here = level(covered[column]);
    let end = column + 1;
    while (end < covered.length && level(covered[end]) === here) end++;
    if (here > 0) found.push([column, end - column, here]);
    column = end;
  }
  return found;
}

/** Times that are marked, so far apart that a mark has room: by the clock of who looks at them. @returns {{time: number, isDay: boolean}[]} */
export function marks(from, to, most) {
  const least = (to - from) / Math.max(1, most);
  const step = STEPS.find(step => step >= least);
  const days = step ? 1 : Math.ceil(least / DAY_S);
  const found = [];
  const day = new Date(1000 * from);
  day.setHours(0, 0, 0, 0);
  for (let begin = day.getTime() / 1000; begin < to; begin = day.getTime() / 1000) {
    day.setDate(day.getDate() + days);
    const end = day.getTime() / 1000;
    if (begin >= from) found.push({ time: begin, isDay: true });
    if (step) for (let time = Math.max(begin, begin + step * Math.floor((from - begin) / step)) + step; time < Math.min(to, end - step / 2); time += step) if (time >= from) found.push({ time, isDay: false });
  }
  return found;
}

/** A part of the time line, so many seconds long at least and at most. */
export const SHORTEST_S = 60;
export const LONGEST_S = 31 * DAY_S;

/** Another part, `factor` times as long: `fixed` stays where it is. */
export function zoomed({ from, to }, factor, fixed) {
  const length = Math.min(LONGEST_S, Math.max(SHORTEST_S, (to - from) * factor));
  const begin = fixed - ((fixed - from) / (to - from)) * length;
  return { from: begin, to: begin + length };
}

/** Another part, as long, that does not go past `first` and `last` by more than a twentieth. */
export function kept({ from, to }, first, last) {
  const room = 0.05 * (to - from);
  const by = to > last + room ? last + room - to : from < first - room ? Math.min(first - room - from, last + room - to) : 0;
  return { from: from + by, to: to + by };
}
