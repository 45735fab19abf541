/** A thread that spins on one CPU, so that the CPU runs this process and a TLB flush has to interrupt it. */
import { workerData } from 'node:worker_threads';
import { pinTo } from './affinity.ts';
import { openLibc } from './libc.ts';
import { SpinState } from './neighbours.ts';

const { cpu, state } = workerData as { readonly cpu: number; readonly state: Int32Array };
pinTo(await openLibc(), cpu);
// It may have been told to stop before it began.
Atomics.compareExchange(state, 0, SpinState.Starting, SpinState.Spinning);
while (Atomics.load(state, 0) === SpinState.Spinning);
