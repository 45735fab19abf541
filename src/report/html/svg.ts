/**
 * Charts: a Vega-Lite specification in, a small SVG out, with the same bytes on every machine and Node version.
 *
 * Vega and Vega-Lite are optional packages, loaded here and nowhere else. Text is measured by an estimate, never by a canvas that may
 * or may not be installed. Coordinates are rounded to tenths of a pixel: logarithms differ in their last bit between versions
 * of Node, and nobody sees less. Colours are CSS variables of the page, so that one drawing serves light and dark.
 */
import type * as Vega from 'vega';
import type * as VegaLite from 'vega-lite';
import { UserError } from '../../model/userError.ts';
import { messageOf } from '../../harness/record.ts';
import { escapeHtml } from './markup.ts';
import { CHARACTER_WIDTH, CHART_CONFIG } from './theme.ts';

export interface Drawing {
  /** Unique in the page. */
  readonly id: string;
  /** What is seen, in a sentence. */
  readonly title: string;
  /** What is drawn, and in which units. */
  readonly description: string;
  readonly spec: Readonly<Record<string, unknown>>;
}

export interface Renderer {
  readonly draw: (drawing: Drawing) => Promise<string>;
}

/** How the packages are found; an argument, so that a test can be without them. */
export type LoadCharts = () => Promise<readonly [typeof Vega, typeof VegaLite]>;

const loadCharts: LoadCharts = () => Promise.all([import('vega'), import('vega-lite')]);

/** A renderer whose SVG ids begin anew: one for each report. @throws UserError where the packages are missing */
export async function createRenderer(load: LoadCharts = loadCharts): Promise<Renderer> {
  const [vega, vegaLite] = await load().catch((error: unknown): never => {
    throw new UserError({
      what: 'charts cannot be drawn',
      why: `the optional packages vega and vega-lite are not installed (${messageOf(error).split('\n')[0]})`,
      fix: 'run npm install --include=optional, or take --format md, which has the same tables',
    });
  });
  vega.resetSVGDefIds();
  // Published, and missing from its types. Its own estimate takes every character for nearly as wide as it is high.
  const { textMetrics } = vega as unknown as { readonly textMetrics: { width: (item: unknown, text: unknown) => number; readonly height: (item: unknown) => number } };
  textMetrics.width = (item, text) => String(text ?? '').length * CHARACTER_WIDTH * textMetrics.height(item);
  return {
    async draw({ id, title, description, spec }) {
      const compiled = vegaLite.compile(spec as unknown as VegaLite.TopLevelSpec, { config: CHART_CONFIG, logger: vega.logger(vega.Error) });
      const view = new vega.View(vega.parse(compiled.spec), { renderer: 'none', logLevel: vega.Error });
      const svg = await view.toSVG();
      view.finalize();
      return tidy(svg, { id, title, description });
    },
  };
}

/** What Vega writes for every mark and we do not need; hover values become titles, which need no script. */
export function tidy(svg: string, { id, title, description }: Omit<Drawing, 'spec'>): string {
  const [, width, height] = /<svg [^>]*\bwidth="([\d.]+)" height="([\d.]+)"/.exec(svg) ?? [];
  if (width === undefined) throw new Error('Vega drew no SVG');
  const start = `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="${id}-t ${id}-d" width="${round(width)}" height="${round(height)}" viewBox="0 0 ${round(width)} ${round(height)}">`
    + `<title id="${id}-t">${escapeHtml(title)}</title><desc id="${id}-d">${escapeHtml(description)}</desc>`;
  const body = svg
    .slice(svg.indexOf('>') + 1)
    .replace(/<path class="(?:back|fore)ground"[^>]*?(?:display="none"|d="M0,0h0v0h0Z"[^>]*)\/>/g, '')
    .replace(/<path class="background"(?![^>]*(?:fill|stroke)=)[^>]*\/>/g, '')
    .replace(/<(path|text|line)([^>]*?) aria-label="([^"]*)"([^>]*?)(?:\/>|>([^<]*)<\/\1>)/g, (_, tag: string, before: string, label: string, after: string, text = '') => `<${tag}${before}${after}>${/\s?role="graphics-symbol"/.test(before + after) ? `<title>${label}</title>` : ''}${text}</${tag}>`)
    .replace(/ (?:role|aria-[a-z]+|pointer-events|font-family|class|opacity="1")(?:="[^"]*")?/g, '')
    .replace(/ (d|transform|x2|y2|stroke-width|font-size)="([^"]*)"/g, (_, name: string, value: string) => ` ${name}="${value.replace(/-?\d+\.\d+(?:e-?\d+)?/g, round)}"`)
    .replace(/ (?:x2|y2)="0"/g, '')
    .replace(/ transform="translate\(0,0\)"/g, '');
  return start + withoutEmptyGroups(body);
}

/** Groups that hold nothing, or only pass on what they hold. */
function withoutEmptyGroups(svg: string): string {
  const isKept: boolean[] = [];
  let text = svg.replace(/<g( [^>]*)?>|<\/g>/g, (tag, attributes: string | undefined) => {
    if (tag === '</g>') return isKept.pop() === true ? tag : '';
    isKept.push(attributes !== undefined);
    return attributes === undefined ? '' : tag;
  });
  for (let before = ''; before !== text; ) {
    before = text;
    text = text.replace(/<g [^>]*><\/g>/g, '');
  }
  return text;
}

/** To a tenth; `-0` is `0`. */
function round(text: string): string {
  const rounded = Math.round(Number(text) * 10) / 10;
  return String(rounded === 0 ? 0 : rounded);
}
