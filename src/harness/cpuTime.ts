/**
 * Loaded before a program (`node --import`), tells at its end how much CPU time its work took: that of the whole process from its first worker
 * on, so that what a program needs to start is not in it; of a program without workers, all. Through descriptor 3, which the parent opens.
 */
import { writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const CPU_TIME_DESCRIPTOR = 3;

// Workers load this module too.
if (isMainThread) {
  let start: NodeJS.CpuUsage = { user: 0, system: 0 };
  process.once('worker', () => (start = process.cpuUsage()));
  process.once('exit', () => {
    const { user, system } = process.cpuUsage(start);
    writeSync(CPU_TIME_DESCRIPTOR, `${(user + system) * 1000}`);
  });
}
