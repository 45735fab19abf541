/** Lock words against the tasks that say what they hold: a part of the invariants (invariants.ts). */
import { TableBit, tableOf } from './entries.ts';
import { PageBit, headOf } from './file.ts';
import { LockClass, WRITER } from './locks.ts';
import type { World } from './world.ts';

/** Readers of a lock word by the tasks that hold its class; a writer stands for one holder, alone. */
function wrongWord(what: string, word: number, holders: number): string | undefined {
  const fits = word === WRITER ? holders === 1 : word === holders;
  return fits ? undefined : `${what} is ${word === WRITER ? 'held by a writer' : `held by ${word} readers`}, and ${holders} tasks hold it`;
}

/** Of a class with several words. */
function wrongWords(what: string, words: Uint16Array, holders: number): string | undefined {
  let readers = 0;
  let writers = 0;
  for (const word of words) {
    if (word === WRITER) writers++;
    else readers += word;
  }
  return readers + writers === holders ? undefined : `${what}s have ${readers} readers and ${writers} writers, and ${holders} tasks hold one`;
}

const holds = (world: World, task: number, lockClass: number): boolean => ((world.held[task] >> lockClass) & 1) !== 0;

function holdersOf(world: World, lockClass: number): readonly number[] {
  const holders: number[] = [];
  for (let task = 0; task < world.shape.tasks; task++) if (holds(world, task, lockClass)) holders.push(task);
  return holders;
}

export function wrongRwLocks(world: World): string | undefined {
  const invalidateHolders = holdersOf(world, LockClass.Invalidate).length;
  return (
    wrongWords('mmap_lock', world.mmapLock, holdersOf(world, LockClass.Mmap).length) ??
    (world.invalidateLock.length === 1
      ? wrongWord('invalidate_lock', world.invalidateLock[0], invalidateHolders)
      : wrongWords('invalidate_lock', world.invalidateLock, invalidateHolders)) ??
    wrongWord('i_mmap_rwsem', world.iMmapLock[0], holdersOf(world, LockClass.IMmap).length) ??
    wrongWord('mmu_lock', world.mmuLock[0], holdersOf(world, LockClass.Mmu).length)
  );
}

export function wrongFolioLocks(world: World): string | undefined {
  const holders = holdersOf(world, LockClass.Folio);
  let migrating = 0;
  for (const [page, state] of world.pageState.entries()) {
    if ((state & PageBit.Migrating) === 0) continue;
    migrating++;
    if ((state & PageBit.Locked) === 0) return `folio ${page} is moved, and not locked`;
  }
  // Who moves folios has invalidate_lock exclusively, and may have locked several of them.
  const mover = migrating > 0 ? holders.find((task) => holds(world, task, LockClass.Invalidate)) : undefined;
  if (migrating > 0 && mover === undefined) return `${migrating} folios are moved, and nobody with invalidate_lock holds a folio lock`;
  for (const task of holders) {
    if (task === mover) continue;
    const head = headOf(world, world.page[task]);
    if ((world.pageState[head] & PageBit.Locked) === 0) return `task ${task} holds the folio lock of page ${head}, which is not locked`;
  }
  let locked = 0;
  for (const state of world.pageState) if (state & PageBit.Locked) locked++;
  const expected = holders.length + (mover === undefined ? 0 : migrating - 1);
  if (locked === expected) return undefined;
  return mover === undefined ? `${locked} folios are locked, and ${holders.length} tasks hold a folio lock` : `${locked} folios are locked, ${expected} by those who hold a folio lock`;
}

export function wrongTableLocks(world: World): string | undefined {
  const holders = holdersOf(world, LockClass.PageTable);
  for (const task of holders) {
    // A fault locks the table of its own page; a zap that of its cursor, which may stand just behind the table's end.
    const own = tableOf(world, world.window[task], world.page[task]);
    const walked = [world.walkCursor[task], Math.max(0, world.walkCursor[task] - 1)].map((page) => tableOf(world, world.walkWindow[task], page));
    if (![own, ...walked].some((table) => world.table[table] & TableBit.Locked)) return `task ${task} holds a page-table lock, and no table of its is locked`;
  }
  let locked = 0;
  for (const bits of world.table) if (bits & TableBit.Locked) locked++;
  return locked === holders.length ? undefined : `${locked} page tables are locked, and ${holders.length} tasks hold a page-table lock`;
}
