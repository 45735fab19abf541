/**
 * A worker for tests of the pool and of `--isolate`: the policy's name says how it ends. JavaScript, since a worker of
 * Node 20 loads nothing else.
 */
import process from 'node:process';

export default async function work({ cell }) {
  switch (cell.policy) {
    case 'throws': {
      throw Object.assign(new Error('thrown on purpose'), { what: 'dropped on the way' });
    }
    case 'exits':
      return process.exit(7);
    case 'dies':
      return process.kill(process.pid, 'SIGKILL');
    case 'grows': {
      // Fills the worker's heap; every number is a new object, so that it is the heap and not a buffer.
      const kept = [];
      for (;;) kept.push({ kept: kept.length });
    }
    case 'hangs':
      return new Promise(() => setInterval(() => {}, 1000));
    default:
      return { ...cell, status: 'ok', notes: [`pid ${process.pid}`] };
  }
}

if (process.send !== undefined && process.env.VITEST_POOL_ID === undefined) answer();
else if (process.argv[2] === 'child') answer();

function answer() {
  process.once('message', async (task) => process.send(await work(task), () => process.disconnect()));
}
