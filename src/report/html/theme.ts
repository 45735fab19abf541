/** How charts look: quiet axes, colours by the page's variables, one size of text. */

/** Of text in charts. */
export const FONT_SIZE = 12;
/** Mean width of a character as a part of the size of its font, a little wide: a table of one font would be wrong for the next. */
export const CHARACTER_WIDTH = 0.58;
/** Of the widest chart that a page shows whole. */
export const CHART_WIDTH = 1060;

/** Room that a text takes, in pixels. */
export const widthOf = (text: string): number => Math.ceil(text.length * CHARACTER_WIDTH * FONT_SIZE);

export const COLOR = {
  text: 'var(--text)',
  quiet: 'var(--quiet)',
  grid: 'var(--grid)',
  bar: 'var(--bar)',
  measure: 'var(--measure)',
  bad: 'var(--bad)',
} as const;

/** Told apart by hue and by lightness, in both schemes and with the usual colour blindnesses. */
export const SERIES: readonly string[] = Array.from({ length: 10 }, (_, at) => `var(--s${at})`);

export const CHART_CONFIG = {
  background: 'transparent',
  padding: 2,
  autosize: { type: 'pad' },
  view: { stroke: null },
  title: { color: COLOR.text, fontSize: FONT_SIZE, fontWeight: 600, anchor: 'start', offset: 6 },
  axis: {
    labelColor: COLOR.text,
    labelFontSize: FONT_SIZE,
    titleColor: COLOR.quiet,
    titleFontSize: FONT_SIZE,
    titleFontWeight: 400,
    gridColor: COLOR.grid,
    domainColor: COLOR.grid,
    tickColor: COLOR.grid,
    labelLimit: 400,
    labelOverlap: true,
  },
  text: { fontSize: FONT_SIZE, color: COLOR.text },
} as const;
