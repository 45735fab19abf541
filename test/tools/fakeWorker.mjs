/**
 * A worker for tests of the pool and of `--isolate`: the policy's name says how it ends. JavaScript, since a worker of
 * Node 20 loads nothing else.
 */
import process from 'node:process';

export default async function work({ cell }) {
  switch (cell.policy) {
    case 'throws':
      throw Object.assign(new Error('thrown on purpose'), { what: 'dropped on the way' });
    case 'exits':
      return process.exit(7);
    case 'is-killed':
      return process.kill(process.pid, 'SIGKILL');
    case 'grows': {
      const kept = [];
      for (;;) kept.push({ kept: kept.length }); // objects, so that it is the heap that fills up
    }
    case 'hangs':
      return new Promise(() => setInterval(() => {}, 1000));
    default:
      return { ...cell, status: 'ok', notes: [`pid ${process.pid}`] };
  }
}
