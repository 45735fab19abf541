/** A chart as a picture of its own, for a README: with its title in it, and the colours of both schemes. */
import { escapeHtml } from './markup.ts';
import { CHART_FONT, SCHEMES } from './styles.ts';
import { FONT_SIZE } from './theme.ts';

const MARGIN = 20;
const TITLE_SIZE = 17;
const LINE = 20;

/** @param svg as a renderer drew it @param title the finding @param lines what is drawn, below it */
export function standaloneSvg(svg: string, title: string, lines: readonly string[]): string {
  const [, width, height] = /<svg [^>]*\bwidth="(\d+(?:\.\d+)?)" height="(\d+(?:\.\d+)?)"/.exec(svg) ?? [];
  if (width === undefined) throw new Error('the drawing has no size');
  const top = MARGIN + TITLE_SIZE + lines.length * LINE + 14;
  const [fullWidth, fullHeight] = [Math.ceil(Number(width)) + 2 * MARGIN, Math.ceil(Number(height)) + top + MARGIN];
  const names = /<title[\s\S]*?<\/desc>/.exec(svg)?.[0] ?? '';
  const labels = / aria-labelledby="[^"]*"/.exec(svg)?.[0] ?? '';
  const drawing = svg.slice(svg.indexOf('>') + 1).replace(names, '').replace(/<\/svg>\s*$/, '');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" role="img"${labels} width="${fullWidth}" height="${fullHeight}" viewBox="0 0 ${fullWidth} ${fullHeight}">${names}`,
    `<style>${SCHEMES}\n${CHART_FONT.replace('svg text', 'text')}</style>`,
    '<rect width="100%" height="100%" rx="10" fill="var(--card)"/>',
    `<text x="${MARGIN}" y="${MARGIN + TITLE_SIZE - 3}" font-size="${TITLE_SIZE}" font-weight="650" fill="var(--text)">${escapeHtml(title)}</text>`,
    ...lines.map((line, nth) => `<text x="${MARGIN}" y="${MARGIN + TITLE_SIZE + (nth + 1) * LINE - 2}" font-size="${FONT_SIZE + 1}" fill="var(--quiet)">${escapeHtml(line)}</text>`),
    `<g transform="translate(${MARGIN},${top})">${drawing}</g>`,
    '</svg>',
    '',
  ].join('\n');
}
