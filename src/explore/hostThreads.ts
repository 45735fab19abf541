/** Threads of a family without guests: whatever they are called, they are threads of a process, `process: N`, by default of the first. */
import type { ThreadGrammar } from './grammar.ts';
import { THREADS_MAX } from './litmusLimits.ts';
import { integerOf } from './litmusYaml.ts';

export const hostThreads: ThreadGrammar = {
  keys: ['process'],
  roleOf: () => 'vmm',
  processOf(_, fields, mistake) {
    const node = fields.get('process')?.node;
    return node === undefined ? 0 : integerOf(mistake, node, 'process', 0, THREADS_MAX - 1);
  },
};
