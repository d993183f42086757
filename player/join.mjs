// The player as one file: the parts in `src`, joined as h5serve joins them (src/serve/http/assets.rs of the repository).
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

const folder = path.join(import.meta.dirname, 'src');
const server = path.join(import.meta.dirname, '../src/serve/http/assets.rs');

/** One of the player's files. */
export const read = name => fs.readFileSync(path.join(folder, name), 'utf8');

/** The page, with the script that runs before all others inside. */
export const page = () => read('page.html').replace('<script>early.js</script>', () => `<script>${script('early.js')}</script>`);

/** What the policy says of that script. */
export const hash = () => `'sha256-${createHash('sha256').update(script('early.js')).digest('base64')}'`;

/** The Content-Security-Policy of the pages, which assets.rs has. */
export function policy() {
  const [, text] = /CONTENT_SECURITY_POLICY: &str = "([^"]*)"/.exec(fs.readFileSync(server, 'utf8'));
  return text.replace(/\\\n\s*/g, '');
}

/** The parts of `h5live.js` in their order, which assets.rs knows. */
export function parts() {
  const table = /const PARTS:[^;]*;[^=]*=\s*\[([^;]*)\];/.exec(fs.readFileSync(server, 'utf8'))[1];
  return [...table.matchAll(/file!\("([^"]+)"\)/g)].map(match => match[1]);
}

/** `GET /h5live.js`, byte for byte. */
export function joined() {
  return parts().flatMap(code).filter(line => !(line.startsWith('import ') && line.includes(" from '."))).map(line => line + '\n').join('');
}

/** Another script, as it is served. */
export const script = name => code(name).map(line => line + '\n').join('');

/** The lines of a script that are no comment. */
function code(name) {
  let inside = false;
  const isComment = line => {
    inside ||= line.startsWith('/*');
    const is = inside || line.startsWith('//');
    inside &&= !line.endsWith('*/');
    return is;
  };
  return read(name).replace(/\n$/, '').split('\n').filter(line => !isComment(line.trimStart()));
}
