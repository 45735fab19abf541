/** How the page looks: one column, two schemes of colours by variables, and a form for paper. Charts use the same variables. */

const LIGHT = {
  page: '#f6f7f9', card: '#ffffff', text: '#1b2026', quiet: '#56606b', line: '#d9dee5', grid: '#e3e7ec', link: '#1a56a5', bar: '#3574c4', measure: '#7f8a97',
  good: '#176c34', bad: '#b3261e', warn: '#fff4d6', stripe: '#f3f5f8',
  s0: '#2563b5', s1: '#c2500c', s2: '#18793a', s3: '#7c3aed', s4: '#0b7c93', s5: '#b8246f', s6: '#8a6d00', s7: '#475569', s8: '#d33a32', s9: '#5b8c0d',
} as const;

const DARK: Readonly<Record<keyof typeof LIGHT, string>> = {
  page: '#111418', card: '#191d23', text: '#e8ebef', quiet: '#a7b1bd', line: '#343b45', grid: '#2d343d', link: '#8ab9f5', bar: '#5f9fec', measure: '#8792a0',
  good: '#6fd08a', bad: '#ff8f85', warn: '#3a3216', stripe: '#1f242b',
  s0: '#6cabf8', s1: '#fb9a4b', s2: '#58d283', s3: '#b9a0fb', s4: '#3ccbe0', s5: '#f583bb', s6: '#e0c244', s7: '#a3b1c4', s8: '#ff8077', s9: '#a8d943',
};

const variables = (colors: Readonly<Record<string, string>>): string => Object.entries(colors).map(([name, color]) => `--${name}:${color}`).join(';');

/** The variables of both schemes, for the page and for a picture of its own. Paper is light. */
export const SCHEMES = `:root{color-scheme:light dark;${variables(LIGHT)}}
@media screen and (prefers-color-scheme:dark){:root{${variables(DARK)}}}`;

const FONT = `system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans","Liberation Sans",Arial,sans-serif`;

/** Of text in charts, wherever they stand. */
export const CHART_FONT = `svg text{font-family:${FONT};font-variant-numeric:tabular-nums}`;

export const STYLES = `${SCHEMES}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 ${FONT};font-variant-numeric:tabular-nums}
.skip{position:absolute;left:-999px;top:0;background:var(--card);color:var(--link);padding:.6rem 1rem;z-index:2}
.skip:focus{left:.5rem;top:.5rem}
:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:3px}
header,main,footer,nav{max-width:1200px;margin:0 auto;padding:0 1.25rem}
header{padding-top:2.2rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .3rem;letter-spacing:-.01em}
h2{font-size:1.35rem;line-height:1.3;margin:0 0 .7rem;padding-top:.3rem}
h3{font-size:1.05rem;margin:1.4rem 0 .4rem}
p{margin:.4rem 0}
.lead,.caption,.unit{color:var(--quiet)}
.unit{font-weight:400;white-space:nowrap}
a{color:var(--link)}
code,pre{font-family:ui-monospace,"DejaVu Sans Mono","Liberation Mono",Menlo,Consolas,monospace;font-size:.86rem}
nav{margin-top:1.1rem}
nav ul{display:flex;flex-wrap:wrap;gap:.35rem .5rem;list-style:none;margin:0;padding:0}
nav a{display:inline-block;padding:.2rem .7rem;border:1px solid var(--line);border-radius:999px;background:var(--card);text-decoration:none;font-size:.9rem}
nav a:hover{border-color:var(--link)}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.1rem 1.3rem 1.3rem;margin:1.2rem 0;scroll-margin-top:.6rem}
.findings{margin:.2rem 0 .2rem;padding-left:1.2rem}
.findings li{margin:.35rem 0}
.warning{background:var(--warn);border:1px solid var(--line);border-radius:8px;padding:.6rem .9rem;margin:1rem 0}
.warning ul{margin:.3rem 0;padding-left:1.2rem}
.label{display:flex;flex-wrap:wrap;gap:.1rem .7rem;align-items:baseline;border-top:1px solid var(--line);padding-top:.8rem;margin:1.3rem 0 .5rem}
.label h3{margin:0}
h2+.label{border-top:0;padding-top:0;margin-top:0}
.label .caption{font-size:.9rem}
figure{margin:.6rem 0 1.2rem}
figcaption .finding{font-weight:650;font-size:1.02rem;margin:0;max-width:68rem}
figcaption .caption{font-size:.88rem;margin:.15rem 0 .5rem;max-width:68rem}
.chart{overflow-x:auto;padding:.3rem 0}
.chart svg{display:block;max-width:none;height:auto}
${CHART_FONT}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;list-style:none;margin:.2rem 0 .3rem;padding:0;font-size:.86rem}
.legend li{display:flex;align-items:center;gap:.4rem}
details{margin:.3rem 0 0;font-size:.92rem}
summary{cursor:pointer;color:var(--link);padding:.15rem 0;width:fit-content}
.scroll{overflow-x:auto;margin:.5rem 0}
table{border-collapse:collapse;font-size:.85rem;line-height:1.35;min-width:100%}
caption{text-align:left;color:var(--quiet);font-size:.86rem;padding:0 0 .35rem}
th,td{padding:.28rem .5rem;text-align:right;vertical-align:top;border-bottom:1px solid var(--line)}
thead th{vertical-align:bottom;font-weight:600;border-bottom:2px solid var(--line)}
th:first-child{text-align:left}
tbody th{font-weight:600;text-align:left;white-space:nowrap;position:sticky;left:0;background:var(--card)}
tbody tr:nth-child(even)>*{background:var(--stripe)}
tr.measure>*{color:var(--quiet)}
tr.measure th{font-weight:400;font-style:italic}
thead button{all:unset;cursor:pointer;display:inline-block;text-align:inherit;padding-right:.85em;position:relative}
thead button:focus-visible{outline:3px solid var(--link);outline-offset:2px}
thead button::after{content:"\\2195";position:absolute;right:0;bottom:0;color:var(--quiet);font-weight:400;opacity:.55}
th[aria-sort=ascending] button::after{content:"\\2191";color:var(--link);opacity:1}
th[aria-sort=descending] button::after{content:"\\2193";color:var(--link);opacity:1}
td.best{font-weight:700}
.mark{color:var(--link)}
td.proved{color:var(--good);font-weight:600}
td{white-space:nowrap}
td.broken{color:var(--bad);font-weight:600;white-space:normal}
td.unknown{color:var(--quiet)}
.heat0,.heat1,.heat2,.heat3,.heat4{background:color-mix(in srgb,var(--bar) var(--heat),transparent)!important}
.heat0{--heat:0%}.heat1{--heat:8%}.heat2{--heat:16%}.heat3{--heat:24%}.heat4{--heat:32%}
.matrix td,.matrix th{text-align:left;white-space:nowrap}
.trace{table-layout:auto}
.trace td,.trace th{text-align:left;white-space:normal}
.trace tbody th{font-weight:400;color:var(--quiet)}
.trace td.step{min-width:13rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem .9rem;margin:.3rem 0 .6rem;font-size:.93rem}
dt{color:var(--quiet)}
dd{margin:0}
.command{background:var(--stripe);border:1px solid var(--line);border-radius:6px;padding:.6rem .8rem;overflow-x:auto;margin:.5rem 0}
article+article{border-top:1px solid var(--line);margin-top:1.2rem}
footer{color:var(--quiet);font-size:.88rem;padding-bottom:2.5rem}
@media (max-width:640px){section{padding:.9rem .8rem;border-radius:0;margin-left:-1.25rem;margin-right:-1.25rem}dl{grid-template-columns:1fr}dt{margin-top:.3rem}}
@media print{
@page{size:A4 portrait;margin:12mm}
body{background:#fff;font-size:10.5pt}
header,main,footer{max-width:none;padding:0}
nav,.skip,summary,thead button::after{display:none}
section{border:0;padding:0;margin:0 0 1rem}
figure,article,tr{break-inside:avoid}
h2,h3,figcaption{break-after:avoid}
.chart,.scroll,.command{overflow:visible}
.command{white-space:pre-wrap;overflow-wrap:anywhere}
.chart svg{max-width:100%;max-height:215mm}
table{font-size:7.5pt}
th,td{padding:.12rem .28rem}
tbody th{position:static}
}`;
