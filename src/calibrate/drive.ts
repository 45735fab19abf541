/**
 * The model as one thread: a routine from its begin to its end, with nobody else at work.
 *
 * Nothing has to wait then, but for other CPUs that run the process: they acknowledge a flush at once.
 */
import { acknowledge, canAcknowledge } from '../model/crossCalls.ts';
import { ERRNOS } from '../model/errno.ts';
import type { ErrnoName } from '../model/errno.ts';
import { DEPTH_MAX, Flow } from '../model/step.ts';
import type { Program } from '../model/step.ts';
import { clearTask } from '../model/tasks.ts';
import type { World } from '../model/world.ts';

/** How an operation ended: `OK`, an errno or a signal; and the content that it read, -1 where it read none. */
export interface Ending {
  readonly errno: ErrnoName;
  readonly value: number;
}

/**
 * Steps the task from `entry` until its routine ends.
 * @throws Error where it would have to wait for somebody
 */
export function drive(world: World, task: number, { run, otherwise, callee }: Program, entry: number): Ending {
  const { pc, depth, meter } = world;
  const base = task * DEPTH_MAX;
  pc[base] = entry;
  meter.readValue = -1;
  for (;;) {
    const level = depth[task];
    const at = pc[base + level];
    const flow = run[at](world, task);
    if (flow === Flow.Next) pc[base + level]++;
    else if (flow === Flow.Otherwise) pc[base + level] = otherwise[at];
    else if (flow === Flow.Call) pc[base + ++depth[task]] = callee[at];
    else if (flow === Flow.Wait) acknowledgeAll(world, task);
    else if (flow !== Flow.Done) throw new Error('nobody is there to rest for');
    else if (level > 0) {
      pc[base + level] = 0;
      pc[base + --depth[task]]++;
    } else {
      const ending = { errno: ERRNOS[world.outcome[task]], value: meter.readValue };
      clearTask(world, task);
      return ending;
    }
  }
}

function acknowledgeAll(world: World, task: number): void {
  let heard = 0;
  for (let cpu = 0; cpu < world.shape.cpus; cpu++) {
    if (!canAcknowledge(world, task, cpu)) continue;
    acknowledge(world, task, cpu);
    heard++;
  }
  if (heard === 0) throw new Error('the call waits for something that nobody does');
}
