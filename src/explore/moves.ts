/**
 * Moves of the explorer as numbers: a task's next step with what it chooses, or a CPU's acknowledgement of a call.
 */
/** Everything about a task's move that is not the task: how a rest ends, or which page an operation on `any` takes. */
export const Choice = { None: 0, TimeOut: 1, FirstPage: 2 } as const;

/** A move as a number: the task and its choice, or the caller and the CPU that acknowledges. */
export const moveOf = (task: number, choice: number): number => (task << 8) | choice;
export const acknowledgementOf = (caller: number, cpu: number): number => 0x8000 | (caller << 8) | cpu;
export const isAcknowledgement = (move: number): boolean => (move & 0x8000) !== 0;
export const taskOf = (move: number): number => (move >> 8) & 0x7f;
export const choiceOf = (move: number): number => move & 0xff;
