/** How a call of the kernel ends, in short: tests compare it with one string. */
import { KernelError } from '../../src/calibrate/backing.ts';

/** What it was refused with, or `none`. @throws what is no refusal of the kernel */
export function reasonOf(call: () => void): string {
  try {
    call();
  } catch (error) {
    if (error instanceof KernelError) return error.reason;
    throw error;
  }
  return 'none';
}
