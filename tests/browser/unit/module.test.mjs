// The parts as one module, as h5serve joins them: no name is declared twice, nothing is imported.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { joined } from '../lib/player.mjs';

test('the joined module is one module, under 40 KB', () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'h5live-module-'));
  const file = path.join(dir, 'h5live.mjs');
  fs.writeFileSync(file, joined());
  try {
    execFileSync(process.execPath, ['--check', file], { stdio: 'pipe' });
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
  assert.doesNotMatch(joined(), /^import /m);
  assert.ok(zlib.gzipSync(joined(), { level: 9 }).length < 40_000);
});
