/**
 * Loaded before a program (`node --import`), tells at its end how much CPU time its work took: that of the whole process from when its first
 * worker is ready, so that what a program needs to start, which grows with every file of it, is not in it; of a program without workers, all.
 * Through descriptor 3, which the parent opens.
 */
import { writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const CPU_TIME_DESCRIPTOR = 3;

// Workers load this module too.
if (isMainThread) {
  let start: NodeJS.CpuUsage = { user: 0, system: 0 };
  const begin = (): void => void (start = process.cpuUsage());
  process.once('worker', (worker) => {
    begin();
    worker.once('message', begin); // a worker of the pool says so once it has loaded its module
  });
  process.once('exit', () => {
    const { user, system } = process.cpuUsage(start);
    writeSync(CPU_TIME_DESCRIPTOR, `${(user + system) * 1000}`);
  });
}
