import { Language, h, icon, label, tell } from './h5live.js';

/** The dialog of what happens to viewers, by `/api/events`: loaded when somebody opens it. */

/** Older lines go. */
const LINES = 300;
/** What the server tells, as it is said here. */
const SAID = {
  join: ({ transport, remote }) => ['joined', { how: [transport, remote].filter(Boolean).join(', ') }],
  leave: ({ seconds, dropped }) => (dropped > 0 ? ['leftDropped', { time: duration(seconds), n: dropped }] : ['left', { time: duration(seconds) }]),
  drop: ({ frames }) => ['missed', { n: frames }],
  stall: ({ seconds }) => ['stoodStill', { time: duration(seconds) }],
  error: ({ error }) => ['failed', { why: error }],
  lost: ({ events }) => ['eventsLost', { n: events }],
};

const language = new Language();
const say = (key, values) => language.say(key, values);

/** Opens the dialog; what it shows begins then, and ends with it. */
export function openActivity() {
  const close = h('button', { type: 'button', class: 'round' }, icon('close'));
  label(close, say('close'));
  const status = h('p', { role: 'status' }, say('activityNone'));
  const list = h('div', { role: 'log', tabindex: '0', 'aria-labelledby': 'activity-title' });
  const dialog = h('dialog', { 'aria-labelledby': 'activity-title', class: 'activity' }, h('header', {}, h('h2', { id: 'activity-title' }, say('activity')), close), status, list);
  const events = new EventSource('api/events');
  const add = entry => {
    const isAtEnd = list.scrollTop + list.clientHeight > list.scrollHeight - 24;
    list.append(entry);
    while (list.childElementCount > LINES) list.firstChild.remove();
    if (isAtEnd) list.scrollTop = list.scrollHeight;
    tell(status, '');
  };
  for (const [name, said] of Object.entries(SAID)) {
    // The connection has an `error` of its own, without data.
    events.addEventListener(name, ({ data }) => data && add(line(JSON.parse(data), said)));
  }
  events.addEventListener('log', ({ data }) => add(h('p', {}, h('code', {}, JSON.parse(data).line))));
  events.onopen = () => tell(status, list.childElementCount > 0 ? '' : say('activityNone'));
  events.onerror = ({ data }) => data || tell(status, say('serverAway'));
  close.addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', event => event.target === dialog && dialog.close());
  dialog.addEventListener('close', () => {
    events.close();
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
}

/** Time, stream, viewer, and what happened. */
function line(event, said) {
  const time = new Date(event.time ?? Date.now());
  const who = event.stream ? h('b', {}, event.stream, h('span', {}, ` #${event.viewer}`)) : '';
  return h('p', {}, h('time', { datetime: time.toISOString() }, time.toLocaleTimeString(language.name)), who, h('span', {}, say(...said(event))));
}

function duration(seconds) {
  const [h, m, s] = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(Math.floor);
  const two = n => String(n).padStart(2, '0');
  return seconds < 60 ? say('seconds', { s: Number(seconds.toFixed(seconds < 10 ? 1 : 0)) }) : h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
