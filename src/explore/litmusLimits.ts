/** How large a litmus may be, whatever family it is of. */

export const PAGES_MAX = 8;
export const THREADS_MAX = 6;
/** Operations of a thread beside others. A thread alone races with nobody, and has room for a whole selftest. */
export const OPERATIONS_MAX = 24;
export const OPERATIONS_ALONE_MAX = 96;
export const REPEAT_MAX = 8;
