/**
 * What a test asks of a page, run in the page: which marks are seen, what lies over what, what a pointer finds, whether text can be read.
 * Plain JavaScript, since it runs in a browser and knows nothing of Node.
 */
const textOf = (element) => [...element.childNodes].filter(({ nodeType }) => nodeType === 3).map(({ textContent }) => textContent.trim()).join('');

const channels = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
const linear = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
/** Relative luminance as WCAG has it, of red, green and blue from 0 to 255. */
const luminance = ([red, green, blue]) => 0.2126 * linear(red / 255) + 0.7152 * linear(green / 255) + 0.0722 * linear(blue / 255);
const contrast = (one, other) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);

/** The colour behind an element: that of the nearest one around it which has any. */
function behind(element) {
  for (let at = element; at !== null; at = at.parentElement) {
    const color = channels(getComputedStyle(at).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
}

globalThis.probes = {
  /** Of each figure: how many marks and texts have a size and a colour. */
  charts: () => [...document.querySelectorAll('figure')].map((figure) => {
    const seen = (selector) => [...figure.querySelectorAll(`.chart svg ${selector}`)].filter((element) => {
      const { width, height } = element.getBoundingClientRect();
      const isPainted = (paint) => paint !== 'none' && !paint.endsWith(', 0)');
      const { fill, stroke } = getComputedStyle(element);
      return width + height > 2 && (isPainted(fill) || isPainted(stroke));
    }).length;
    return { id: figure.id, marks: seen('path') + seen('line'), texts: seen('text') };
  }),

  /** Texts of charts that run over each other, or out of their drawing. */
  collisions: () => [...document.querySelectorAll('.chart svg')].flatMap((svg) => {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].map((text) => ({ words: text.textContent, box: text.getBoundingClientRect() })).filter(({ words }) => words.trim() !== '');
    const outside = texts.filter(({ box }) => box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1).map(({ words }) => `${words} is cut off`);
    const isOver = (one, other) => Math.min(one.right, other.right) - Math.max(one.left, other.left) > 2 && Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 4;
    const over = texts.flatMap(({ words, box }, at) => texts.slice(at + 1).filter((other) => isOver(box, other.box)).map((other) => `${words} over ${other.words}`));
    return [...outside, ...over];
  }),

  /** What a pointer in the middle of a mark is told. */
  valueUnder(selector) {
    const mark = document.querySelector(selector);
    if (mark === null) return `there is no ${selector}`;
    mark.scrollIntoView({ behavior: 'instant', block: 'center' });
    const { left, top, width, height } = mark.getBoundingClientRect();
    return document.elementFromPoint(left + width / 2, top + height / 2)?.querySelector('title')?.textContent;
  },

  focused() {
    const element = document.activeElement;
    return { text: element.textContent, outline: getComputedStyle(element).outlineStyle, isSeen: element.getBoundingClientRect().left >= 0 };
  },

  /** Texts with too little contrast to what is behind them. */
  unreadable: (least) => [...document.querySelectorAll('body *')]
    .filter((element) => !['SCRIPT', 'STYLE', 'title', 'desc'].includes(element.tagName) && textOf(element) !== '' && element.getBoundingClientRect().width > 0)
    .flatMap((element) => {
      const { fill, color } = getComputedStyle(element);
      const found = contrast(luminance(channels(element instanceof SVGElement ? fill : color)), luminance(behind(element)));
      return found >= least ? [] : [`${textOf(element)}: ${found.toFixed(2)}`];
    }),

  brightness: (selector) => luminance(behind(document.querySelector(selector))),

  /** Variables of the page whose colours do not stand out from another one's. */
  faint(names, ground, least) {
    const root = getComputedStyle(document.documentElement);
    const ofVariable = (name) => luminance((root.getPropertyValue(name).match(/[0-9a-f]{2}/g) ?? []).map((hex) => Number.parseInt(hex, 16)));
    return names.filter((name) => contrast(ofVariable(name), ofVariable(ground)) < least);
  },

  brokenLinks: () => [...document.querySelectorAll('nav a')].filter((link) => document.querySelector(link.getAttribute('href')) === null).length,
  tablesWithoutNames: () => [...document.querySelectorAll('table')].filter((table) => table.caption === null || table.querySelector('th:not([scope])') !== null).length,
  widthOfPage: () => document.documentElement.scrollWidth,
  variable: (name) => getComputedStyle(document.documentElement).getPropertyValue(name),
};
