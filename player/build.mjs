// Puts the player's files beside package.json, as h5serve serves them. npm runs it before it packs.
import fs from 'node:fs';
import path from 'node:path';
import { joined, script } from './join.mjs';

const write = (name, text) => fs.writeFileSync(path.join(import.meta.dirname, name), text);

write('h5live.js', joined());
write('h5live-sound.js', script('h5live-sound.js'));
for (const name of ['LICENSE-MIT', 'LICENSE-APACHE']) fs.copyFileSync(path.join(import.meta.dirname, '..', name), path.join(import.meta.dirname, name));
