/** Strokes on a 24×24 grid; a path that begins with `*` is filled. */
const ICONS = {
  play: ['*M8.5 5.6v12.8a.6.6 0 0 0 .9.5l10.2-6.4a.6.6 0 0 0 0-1L9.4 5.1a.6.6 0 0 0-.9.5z'],
  pause: ['M9 5.5v13M15 5.5v13'],
  muted: ['M11 5.5 6.8 9H4v6h2.8L11 18.5z', 'm16 9.7 4.6 4.6m0-4.6L16 14.3'],
  sound: ['M11 5.5 6.8 9H4v6h2.8L11 18.5z', 'M15 9.3a4 4 0 0 1 0 5.4M17.8 6.6a8 8 0 0 1 0 10.8'],
  snapshot: ['M4 8.5A1.5 1.5 0 0 1 5.5 7h2L9 4.8h6L16.5 7h2A1.5 1.5 0 0 1 20 8.5v8a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 16.5z', 'M12 9.2a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4z'],
  stats: ['M4.5 19.5h15', 'M7 16v-4M12 16V5M17 16V9'],
  pip: ['M20.5 10V6.5A1.5 1.5 0 0 0 19 5H5a1.5 1.5 0 0 0-1.5 1.5v10A1.5 1.5 0 0 0 5 18h4.5', '*M13.2 12.5h6.6a.9.9 0 0 1 .9.9v4.7a.9.9 0 0 1-.9.9h-6.6a.9.9 0 0 1-.9-.9v-4.7a.9.9 0 0 1 .9-.9z'],
  cast: ['M4.5 9V6.5a1 1 0 0 1 1-1h13a1 1 0 0 1 1 1v11a1 1 0 0 1-1 1H14', 'M4.5 12.5a6 6 0 0 1 6 6', '*M4.5 15.5a3 3 0 0 1 3 3h-3z'],
  full: ['M4.5 9V5.5a1 1 0 0 1 1-1H9M15 4.5h3.5a1 1 0 0 1 1 1V9M19.5 15v3.5a1 1 0 0 1-1 1H15M9 19.5H5.5a1 1 0 0 1-1-1V15'],
  unfull: ['M9 4.5V8a1 1 0 0 1-1 1H4.5M19.5 9H16a1 1 0 0 1-1-1V4.5M15 19.5V16a1 1 0 0 1 1-1h3.5M4.5 15H8a1 1 0 0 1 1 1v3.5'],
  close: ['m6.5 6.5 11 11m0-11-11 11'],
  search: ['M10.5 4.5a6 6 0 1 0 0 12a6 6 0 1 0 0-12z', 'M15 15l5 5'],
  copy: ['M9.5 8.5h8a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-8a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1z', 'M5.5 15.5v-10a1 1 0 0 1 1-1h9'],
  code: ['m8.5 8-4.5 4 4.5 4M15.5 8l4.5 4-4.5 4'],
  earlier: ['M4.5 12a7.5 7.5 0 1 0 2.4-5.5L4.5 8.7', 'M4.5 4.5v4.2h4.2', 'M12 8v4.3l3 1.8'],
  activity: ['M4 12.5h3.5l2.2-6 4.2 11 2.3-5H20'],
  help: ['M4.5 6.5h15a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1z', 'M7 10.2h.01M10.3 10.2h.01M13.7 10.2h.01M17 10.2h.01M8 14h8'],
};

/** An element, without innerHTML, which pages with Trusted Types refuse. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** An SVG element. */
export function shape(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function icon(name) {
  const paths = ICONS[name].map(d => (d[0] === '*' ? shape('path', { d: d.slice(1), class: 'solid' }) : shape('path', { d })));
  return shape('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true', class: 'icon' }, ...paths);
}

/** A button with an icon and no words; `label` names it. */
export function button(name, run, attributes = {}, ...children) {
  const element = h('button', { type: 'button', part: `button ${name}-button`, ...attributes }, icon(name), ...children);
  element.addEventListener('click', run);
  return element;
}

/** What a button is called, for those who see it and those who hear it. */
export function label(element, text) {
  if (element.title === text) return;
  element.title = text;
  element.setAttribute('aria-label', text);
}

/** Changes what an element says, if it is something else: screen readers and selections are left in peace. */
export function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Copies a text; `shadow` is where a field may be put for browsers without a clipboard, as Chromium on plain http. Says whether it worked. */
export async function copyText(text, place) {
  const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  if (copied) return true;
  const field = h('textarea', { readonly: '', class: 'sr', 'aria-hidden': 'true' });
  field.value = text;
  place.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  return done;
}
