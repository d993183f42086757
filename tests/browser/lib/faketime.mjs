// A wall clock for some programs, which a test can set: libfaketime. The monotonic clock is left alone, as when a real clock is set.
import fs from 'node:fs';
import path from 'node:path';

const folders = ['/usr/lib', '/usr/lib64'].flatMap(dir => (fs.existsSync(dir) ? [dir, ...fs.readdirSync(dir).map(name => path.join(dir, name))] : []));
const library = folders.map(dir => path.join(dir, 'faketime', 'libfaketimeMT.so.1')).find(file => fs.existsSync(file));

export class Clock {
  /** @param {string} file  where its setting is kept */
  constructor(file) {
    if (!library) throw new Error('libfaketimeMT.so.1 is not there: install faketime');
    this.file = file;
    this.set('+0');
    this.env = { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' };
  }

  /** As faketime(1) has it: `+1h`. A program may read it at any time: it is never half written. */
  set(to) {
    fs.writeFileSync(`${this.file}.new`, `${to}\n`);
    fs.renameSync(`${this.file}.new`, this.file);
  }
}
