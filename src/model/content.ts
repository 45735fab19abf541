/**
 * Contents: one value a frame, for worlds that compare what is read with what was written (`Shape.content`).
 *
 * A page that was never touched reads 0, and so does one that was punched. What a conversion does to the content is the
 * platform's rule: pKVM and software-protected VMs preserve it in place, TDX hands out zeroes, SEV-SNP leaves what the other
 * key makes of it. Simulated worlds keep no contents, and pay nothing for them.
 * Where private pages have a memory of their own nothing moves between the two: both begin as zeroes, whatever the rule.
 * Differs from Linux: one value stands for a page's 4096 bytes; a bounce buffer has no content of its own.
 */
import { PageBit, headOf, isApart } from './file.ts';
import type { World } from './world.ts';

/** What a page reads after a conversion that leaves its content undefined: a value that no test writes by accident. */
export const SCRAMBLED = 0xee;

/** Tells the engine what the frame holds: the last thing that a reading step does. */
export function deliverContent(world: World, frame: number): void {
  if (world.shape.content !== 'none') world.meter.readValue = world.content[frame];
}

/** The access of the task leaves its value in the frame; 0 leaves what is there. */
export function storeContent(world: World, task: number, frame: number): void {
  if (world.shape.content !== 'none' && world.value[task] !== 0) world.content[frame] = world.value[task];
}

/** What the guest reads at an index. */
export function deliverGuestContent(world: World, page: number): void {
  if (world.shape.content === 'none') return;
  world.meter.readValue = isApart(world, page) ? world.privateContent[page] : world.content[page];
}

/** A store of the guest leaves its value at an index. */
export function storeGuestContent(world: World, task: number, page: number): void {
  if (world.shape.content !== 'none' && isApart(world, page)) {
    if (world.value[task] !== 0) world.privateContent[page] = world.value[task];
  } else {
    storeContent(world, task, page);
  }
}

export function clearContent(world: World, start: number, end: number): void {
  if (world.shape.content !== 'none') world.content.fill(0, start, end);
}

/** The commit of a conversion, in either direction. A page without a folio has no content that it could lose. */
export function convertContent(world: World, page: number): void {
  const { content, keeps } = world.shape;
  if (keeps === 'separate-memory' || content === 'none' || content === 'preserve' || (world.pageState[headOf(world, page)] & PageBit.Present) === 0) return;
  world.content[page] = content === 'zero' ? 0 : SCRAMBLED;
}
