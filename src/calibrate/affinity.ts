/** CPUs that a thread may run on: the measuring thread and the spinning ones each have one of their own. */
import { checked } from './backing.ts';
import type { Libc } from './libc.ts';

/** Room for 8192 CPUs, the most that Linux has. */
const MASK_BYTES = 1024;
/** This thread, in the words of sched_setaffinity. */
const SELF = 0;

export function readMask(libc: Libc): Uint8Array {
  const mask = new Uint8Array(MASK_BYTES);
  checked(libc, 'sched_getaffinity', libc.schedGetAffinity(SELF, MASK_BYTES, mask));
  return mask;
}

export function writeMask(libc: Libc, mask: Uint8Array): void {
  checked(libc, 'sched_setaffinity', libc.schedSetAffinity(SELF, MASK_BYTES, mask));
}

/** Numbers of the CPUs of a mask, rising. */
export function cpusOf(mask: Uint8Array): readonly number[] {
  const cpus: number[] = [];
  for (let cpu = 0; cpu < mask.length * 8; cpu++) if ((mask[cpu >> 3] >> (cpu & 7)) & 1) cpus.push(cpu);
  return cpus;
}

export function pinTo(libc: Libc, cpu: number): void {
  const mask = new Uint8Array(MASK_BYTES);
  mask[cpu >> 3] = 1 << (cpu & 7);
  writeMask(libc, mask);
}
