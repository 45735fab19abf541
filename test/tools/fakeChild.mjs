/** The same worker, as a process of its own. */
import process from 'node:process';
import work from './fakeWorker.mjs';

process.once('message', async (task) => process.send(await work(task), () => process.disconnect()));
