/**
 * A small world of the family `unsharing` for tests: operations run alone to their end, or several at once in an order that the test draws.
 */
import { acknowledgeFlush, canAcknowledge } from '../../src/model/crossCalls.ts';
import { ERRNOS } from '../../src/model/errno.ts';
import { brokenAnonymous } from '../../src/model/anonymous/invariants.ts';
import { buildAnonymousHost } from '../../src/model/anonymous/host.ts';
import type { AnonymousHost } from '../../src/model/anonymous/host.ts';
import { AnonymousAccess } from '../../src/model/anonymous/kinds.ts';
import type { UnsharingRules } from '../../src/model/anonymous/rules.ts';
import { startAnonymousWorld } from '../../src/model/anonymous/start.ts';
import type { WindowStart } from '../../src/model/anonymous/start.ts';
import { clearAnonymousTask, createAnonymousWorld } from '../../src/model/anonymous/world.ts';
import type { AnonymousWorld } from '../../src/model/anonymous/world.ts';
import type { MemoryShape } from '../../src/model/memory/shape.ts';
import { windowOf } from '../../src/model/memory/shape.ts';
import { Backing } from '../../src/model/memory/windows.ts';
import { OPERATIONS, Op } from '../../src/model/operations.ts';
import type { OperationName } from '../../src/model/operations.ts';
import { DEPTH_MAX, Flow } from '../../src/model/step.ts';

export interface SceneOptions {
  readonly rules?: UnsharingRules;
  /** The process of each task. */
  readonly processes: readonly number[];
  readonly shape?: Partial<MemoryShape>;
  readonly windows?: readonly WindowStart[];
  readonly file?: readonly number[];
}

export interface SceneOperation {
  readonly kind: keyof typeof AnonymousAccess;
  readonly page?: number;
  readonly count?: number;
  readonly slot?: number;
  readonly value?: number;
  readonly flags?: number;
  readonly window?: number;
}

export interface Scene {
  readonly world: AnonymousWorld;
  readonly host: AnonymousHost;
  /** Runs an operation alone to its end. @returns its result: a value read, or OK, or an errno @throws Error where it waits for ever */
  run(task: number, operation: SceneOperation): string;
  begin(task: number, operation: SceneOperation): void;
  /** Whether the task is in an operation. */
  busy(task: number): boolean;
  /** Takes the next step of the task. @returns false where it has to wait */
  step(task: number): boolean;
  result(task: number): string;
  count(operation: OperationName): number;
  clearCounts(): void;
}

const DEFAULT: MemoryShape = {
  pages: 2, windows: 2, windowsPerMm: 1, mms: 2, cpus: 1, vcpus: 0, tasks: 1, slots: 2, slotPages: 2, broadcastFlush: false, regionOrder: 1, frames: 16, hugeFolios: 0, filePages: 0,
  swapSlots: 0,
};

export function anonymousScene({ rules = { onShared: 'unshare' }, processes, shape = {}, windows = [{ backing: Backing.Anonymous }], file = [] }: SceneOptions): Scene {
  const mms = Math.max(...processes) + 1;
  const whole: MemoryShape = { ...DEFAULT, mms, windowsPerMm: windows.length, windows: mms * windows.length, cpus: processes.length, tasks: processes.length, filePages: file.length, ...shape };
  const world = createAnonymousWorld(whole);
  const host = buildAnonymousHost(rules, whole);
  const results: string[] = [];
  startAnonymousWorld(world, { processOfCpu: processes, windows, file });
  const { program, entries } = host;
  const read: number[] = [];

  const scene: Scene = {
    world,
    host,
    begin(task, { kind, page = 0, count = 1, slot = 0, value = 0, flags = 0, window = 0 }) {
      const number = AnonymousAccess[kind];
      world.kind[task] = number;
      world.page[task] = page;
      world.rangeStart[task] = page;
      world.rangeEnd[task] = page + count;
      world.slot[task] = slot;
      world.value[task] = value;
      world.flags[task] = flags;
      world.window[task] = windowOf(world, world.mm[task], window);
      world.pc[task * DEPTH_MAX] = entries[number];
      read[task] = -1;
    },
    busy: (task) => world.pc[task * DEPTH_MAX] !== 0,
    step(task) {
      const { pc, depth, meter } = world;
      const base = task * DEPTH_MAX;
      const at = pc[base + depth[task]];
      meter.readValue = -1;
      const failed = meter.count[Op['access.failed']];
      const before = new Uint8Array(world.buffer.slice(0));
      const flow = program.run[at](world, task);
      if (flow === Flow.Wait) {
        if (!before.every((byte, place) => byte === new Uint8Array(world.buffer)[place])) throw new Error(`${program.names[at]} waits, and has changed the world`);
        return false;
      }
      if (meter.readValue >= 0) read[task] = meter.readValue;
      if (flow === Flow.Next) pc[base + depth[task]] = at + 1;
      else if (flow === Flow.Otherwise) pc[base + depth[task]] = program.otherwise[at];
      else if (flow === Flow.Call) pc[base + ++depth[task]] = program.callee[at];
      else if (depth[task] > 0) {
        pc[base + depth[task]] = 0;
        pc[base + --depth[task]]++;
      } else {
        results[task] = meter.count[Op['access.failed']] > failed ? ERRNOS[world.outcome[task]] : read[task] >= 0 ? String(read[task]) : 'OK';
        clearAnonymousTask(world, task);
      }
      for (let cpu = 0; cpu < world.shape.cpus; cpu++) if (canAcknowledge(world, task, cpu) && !scene.busy(cpu)) acknowledgeFlush(world, task, cpu);
      return true;
    },
    run(task, operation) {
      scene.begin(task, operation);
      for (let steps = 0; scene.busy(task); steps++) {
        for (let cpu = 0; cpu < world.shape.cpus; cpu++) if (canAcknowledge(world, task, cpu)) acknowledgeFlush(world, task, cpu);
        if (!scene.step(task) || steps > 100_000) throw new Error(`${operation.kind} never ends: ${program.names[world.pc[task * DEPTH_MAX + world.depth[task]]]}`);
      }
      const broken = brokenAnonymous(world);
      if (broken !== undefined && rules.mistake === undefined && rules.onShared !== 'pin') throw new Error(`after ${operation.kind}: ${broken.name}: ${broken.how}`);
      return results[task];
    },
    result: (task) => results[task],
    count: (operation) => world.meter.count[Op[operation]],
    clearCounts() {
      for (let operation = 0; operation < OPERATIONS.length; operation++) world.meter.count[operation] = 0;
    },
  };
  return scene;
}
