/** Keys, and what they ask for: names of the player's actions. In the order of the help panel. */
export const KEYS = [
  { keys: ['Space', 'K'], action: 'toggle', text: 'keyPlay' },
  { keys: ['L'], action: 'live', text: 'keyLive' },
  { keys: ['M'], action: 'sound', text: 'keySound' },
  { keys: ['↑', '↓'], action: '', text: 'keyVolume' },
  { keys: ['F'], action: 'full', text: 'keyFull' },
  { keys: ['P'], action: 'pip', text: 'keyPip' },
  { keys: ['S'], action: 'snapshot', text: 'keySnapshot' },
  { keys: ['I'], action: 'stats', text: 'keyStats' },
  { keys: ['?'], action: 'help', text: 'keyHelp' },
];

const ACTIONS = new Map(KEYS.flatMap(({ keys, action }) => keys.map(key => [key, action])));
ACTIONS.set('ArrowUp', 'louder').set('ArrowDown', 'quieter').set('Escape', 'close');

/** Which action a key press asks for; undefined where it belongs to the field, the button or the browser. */
export function actionOf(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const at = event.composedPath()[0];
  if (at.matches?.('input:not([type=range]), select, textarea, [contenteditable]')) return event.key === 'Escape' ? 'close' : undefined;
  if (at.matches?.('button, summary, a[href]') && event.key === ' ') return undefined;
  if (at.matches?.('input[type=range]') && event.key.startsWith('Arrow')) return undefined;
  return ACTIONS.get(keyOf(event));
}

/** Letters by what is printed on the key in the Latin layout, also where another one is in use. */
function keyOf({ key, code }) {
  if (key === ' ') return 'Space';
  if (key.length > 1) return key;
  return key > '~' && code.startsWith('Key') ? code.slice(3) : key.toUpperCase();
}
