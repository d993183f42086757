// What is asked of the player's face, inside of its shadow root.
import { createRequire } from 'node:module';
import fs from 'node:fs';

/** The answer to one of the questions below, from the first player of the page. */
export const inside = (page, ask, ...values) => page.evaluate(([ask, values]) => {
  const host = document.querySelector('h5-live');
  return window.h5ask[ask](host, host.shadowRoot, ...values);
}, [ask, values]);

const ASKS = {
  text: (_, root, selector) => root.querySelector(selector).innerText.replace(/\s+/g, ' ').trim(),
  shown: (_, root, selector) => root.querySelector(selector)?.checkVisibility({ visibilityProperty: true }) ?? false,
  focus: (_, root) => root.activeElement?.getAttribute('part') ?? null,
  /** Everything that can be pressed, with its size. */
  targets: (_, root) => {
    const all = [...document.querySelectorAll('a, button, summary'), ...root.querySelectorAll('button, select, input')];
    return all.filter(e => e.checkVisibility()).map(e => ({ name: e.ariaLabel ?? e.innerText.trim(), width: Math.round(e.getBoundingClientRect().width), height: Math.round(e.getBoundingClientRect().height) }));
  },
  /** A snapshot by the method: its type, size, and how many colours a row of it has. */
  snapshot: async host => {
    const blob = await host.snapshot();
    const bitmap = await createImageBitmap(blob);
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext('2d');
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, Math.floor(bitmap.height * 0.3), bitmap.width, 1);
    const colours = new Set();
    for (let i = 0; i < data.length; i += 4) colours.add((data[i] >> 6) + 4 * (data[i + 1] >> 6) + 16 * (data[i + 2] >> 6));
    return { type: blob.type, width: bitmap.width, height: bitmap.height, colours: colours.size };
  },
};

/** To be called before the page is opened: the questions above, what was refused by the policy, what was downloaded, what was copied. */
export async function prepare(page) {
  const source = `window.h5ask = {${Object.entries(ASKS).map(([name, ask]) => `${name}: ${ask}`)}};
    window.refused = []; window.downloads = []; window.copied = [];
    document.addEventListener('securitypolicyviolation', e => window.refused.push(e.violatedDirective + ' ' + e.blockedURI));
    const click = HTMLAnchorElement.prototype.click;
    HTMLAnchorElement.prototype.click = function () { if (this.download) window.downloads.push([this.download, this.href]); else click.call(this); };
    document.addEventListener('copy', e => window.copied.push(e.composedPath()[0].value));`;
  if (page.addInitScript) await page.addInitScript({ content: source });
  else if (page.evaluateOnNewDocument) await page.evaluateOnNewDocument(new Function(source));
  // WebDriver has no way in before the page: WebKit is asked as soon as the document is there.
  else page.prepared = new Function(source);
}

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds of weight, shadow roots included: `rule: where`. */
export async function faults(page) {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { violations, passes } = await window.axe.run(document, { resultTypes: ['violations'] });
    if (passes.length < 10) throw new Error(`axe looked at nothing: ${passes.map(p => p.id)}`);
    return violations.filter(v => ['serious', 'critical', 'moderate'].includes(v.impact)).flatMap(v => v.nodes.map(n => `${v.id}: ${n.target} ${n.failureSummary.replace(/\s+/g, ' ')}`));
  });
}
