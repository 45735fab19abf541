/**
 * A runner that gives each cell a process of its own: resident memory is a figure of a process, and a wall-clock comparison
 * must not let one policy warm the compiler up for the next.
 */
import { fork, type ChildProcess } from 'node:child_process';
import type { CellResult } from './record.ts';
import type { CellTask } from './runCell.ts';
import type { CellRunner } from './schedule.ts';

export interface IsolateOptions {
  /** The program that answers one task by one message. */
  readonly childFile: string;
}

export function createIsolated({ childFile }: IsolateOptions): CellRunner {
  const children = new Set<ChildProcess>();
  return {
    run: (task: CellTask) =>
      new Promise<CellResult>((resolve, reject) => {
        const child = fork(childFile, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] });
        children.add(child);
        let answer: CellResult | undefined;
        child.on('message', (message) => {
          answer = message as CellResult;
        });
        child.on('error', reject);
        child.on('exit', (code, signal) => {
          children.delete(child);
          if (answer !== undefined) resolve(answer);
          else reject(new Error(signal === null ? `its process exited with code ${code}` : `its process was killed by ${signal}`));
        });
        child.send(task, () => {}); // a child that is gone already says so by its exit
      }),
    async close() {
      const ended = [...children].map((child) => new Promise((resolve) => child.once('exit', resolve)));
      for (const child of children) child.kill('SIGKILL');
      await Promise.all(ended);
    },
  };
}
