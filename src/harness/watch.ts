/**
 * The watch over a cell of a user's policy: a step that never comes back blocks its thread, and only another thread can see that.
 *
 * Both share a few bytes. The worker writes the number of each step as it begins and 0 when it is over, and counts; who watches
 * looks now and then. The same step of the same count for too long is one that does not come back, however fast the machine is.
 */
import { RULES, type Watcher } from '../policies/guard.ts';
import type { PolicyOrigin } from './policyFiles.ts';
import type { Runner } from './pool.ts';
import type { CellError } from './record.ts';

const STEP = 0;
const COUNT = 1;
const NAMES_LENGTH = 2;
const WORDS = 4;
/** Room for the names of the steps; what does not fit is told by its number. */
const NAME_BYTES = 32_768;

export const createPulse = (): SharedArrayBuffer => new SharedArrayBuffer(WORDS * 4 + NAME_BYTES);

/** For the thread that runs the steps. */
export function createWatcher(pulse: SharedArrayBuffer): Watcher {
  const words = new Int32Array(pulse, 0, WORDS);
  return {
    steps(names) {
      const text = Buffer.from(names.join('\n')).subarray(0, NAME_BYTES);
      new Uint8Array(pulse, WORDS * 4).set(text);
      Atomics.store(words, NAMES_LENGTH, text.length);
    },
    at(number) {
      words[COUNT]++;
      Atomics.store(words, STEP, number);
    },
  };
}

export interface Watch {
  stop(): void;
}

const LOOKS = 10;

/** Calls back, once, with the name of a step that has not come back for so long. */
export function watch(pulse: SharedArrayBuffer, seconds: number, onStuck: (step: string) => void): Watch {
  const words = new Int32Array(pulse, 0, WORDS);
  let seen = -1;
  let looks = 0;
  const timer = setInterval(() => {
    const step = Atomics.load(words, STEP);
    const count = Atomics.load(words, COUNT);
    looks = step !== 0 && count === seen ? looks + 1 : 0;
    seen = count;
    if (looks < LOOKS) return;
    clearInterval(timer);
    onStuck(step === RULES ? 'rules()' : nameOf(pulse, words, step));
  }, (seconds * 1000) / LOOKS);
  return { stop: () => clearInterval(timer) };
}

function nameOf(pulse: SharedArrayBuffer, words: Int32Array, step: number): string {
  const text = Buffer.from(new Uint8Array(pulse, WORDS * 4, Atomics.load(words, NAMES_LENGTH))).toString('utf8');
  return text.split('\n')[step - 1] || `step ${step}`;
}

/** What a task of a user's policy has. */
export interface Watchable {
  readonly origin?: PolicyOrigin;
}

/** A runner that ends the worker of a task whose policy has a step that does not come back; tasks of shipped policies pass by. */
export function watched<Task extends Watchable, Result>(runner: Runner<Task, Result>, failed: (task: Task, error: CellError) => Result): Runner<Task, Result> {
  return {
    async run(task) {
      const { origin } = task;
      if (origin === undefined) return runner.run(task);
      const { path, stepSeconds } = origin;
      const pulse = createPulse();
      const abort = new AbortController();
      let stuck: string | undefined;
      const look = watch(pulse, stepSeconds, (step) => {
        stuck = step;
        abort.abort();
      });
      try {
        return await runner.run({ ...task, origin: { ...origin, pulse } }, abort.signal);
      } catch (error) {
        if (stuck === undefined) throw error;
        return failed(task, {
          what: `${stuck} (${path}) does not come back`,
          why: `it was still running after ${stepSeconds} s, and a step takes microseconds`,
          fix: 'look for a loop without an end in it; a step that has to wait answers waitFor(...), and the engine comes back to it',
        });
      } finally {
        look.stop();
      }
    },
    close: () => runner.close(),
  };
}
