/** How tables are drawn with cli-table3. */

/** Rules above, below and under the header only. */
export const RULES = {
  top: '-', 'top-mid': '-', 'top-left': '', 'top-right': '',
  bottom: '-', 'bottom-mid': '-', 'bottom-left': '', 'bottom-right': '',
  left: '', 'left-mid': '', mid: '-', 'mid-mid': '-', right: '', 'right-mid': '', middle: '  ',
} as const;

/** The same over the gaps as well, where cells have no padding. */
export const UNBROKEN_RULES = { ...RULES, 'top-mid': '--', 'bottom-mid': '--', 'mid-mid': '--' } as const;
