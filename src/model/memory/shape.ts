/**
 * The shape of a world of processes: what the families beside guest_memfd's argue about is memory that processes map, fork and lose.
 *
 * Each process has the same number of VMAs, called windows, each of the same number of pages: window = mm x windowsPerMm + number, so
 * that the VMA of a child that stands for the parent's is found by arithmetic.
 */
import type { TaskShape } from '../taskWorld.ts';

export interface MemoryShape extends TaskShape {
  /** VMAs of each process. */
  readonly windowsPerMm: number;
  /** log2 of the pages behind one page table and its lock, and of a huge folio. */
  readonly regionOrder: number;
  /** Frames of order 0; the first of them is the zero page. */
  readonly frames: number;
  /** Huge folios beside them, each of `1 << regionOrder` frames. */
  readonly hugeFolios: number;
  /** Pages of the one file (memfd, shmem) that windows may map. */
  readonly filePages: number;
  /** Pages that can be in swap at one time. */
  readonly swapSlots: number;
  /** Pages that one buffer can hold. */
  readonly slotPages: number;
}

/** Page tables of a window. */
export const regionsOf = ({ pages, regionOrder }: MemoryShape): number => Math.ceil(pages / (1 << regionOrder));

/** All frames, those of huge folios behind the others. */
export const framesOf = ({ frames, hugeFolios, regionOrder }: MemoryShape): number => frames + (hugeFolios << regionOrder);

/** The window of a process with this number. */
export const windowOf = ({ shape }: { readonly shape: MemoryShape }, mm: number, number: number): number => mm * shape.windowsPerMm + number;

/** The process whose window this is. */
export const mmOf = ({ shape }: { readonly shape: MemoryShape }, window: number): number => Math.floor(window / shape.windowsPerMm);
