/** Where the kernel cannot be reached: one clear error, exit code 2, and what needs no kernel goes on. Without native addons koffi cannot be loaded, on any platform. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url));
const run = (...words: readonly string[]) => spawnSync(process.execPath, ['--no-addons', MAIN, ...words], { encoding: 'utf8' });

describe('without koffi', () => {
  test.each([['calibrate', '--quick'], ['calibrate', '--backing', 'guest_memfd'], ['validate', '--kernel']])('foliobench %s %s says what is missing, why, and what still works', (...words) => {
    const { status, stdout, stderr } = run(...words);
    expect([status, stdout]).toEqual([2, '']);
    // On another platform than Linux that is the first thing that is missing.
    expect(stderr).toMatch(/^foliobench: foliobench cannot (?:reach the kernel's system calls|measure on \w+)\n {2}why: .+\n {2}fix: .+compare, explore and all other commands work without it\n$/);
  }, 60_000);

  test.each([['-o'], ['--points']])('a file behind %s that cannot be written is told before anything is measured', (option) => {
    const { status, stdout, stderr } = run('calibrate', '--quick', option, '/no-such-folder/x.json');
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^foliobench: cannot write \/no-such-folder\/x\.json\n {2}why: ENOENT/);
  }, 60_000);

  test('prices that were measured before are used as ever', () => {
    const { status, stdout } = run('compare', '--policy', 'sigbus-on-fault', '--workload', 'sequential', '--accesses', '100', '--memory', '16M', '--costs', 'measured-nested-vm');
    expect([status, stdout.includes('prices: measured-nested-vm')]).toEqual([0, true]);
  }, 60_000);
});
