/** Small line plots, drawn with SVG. The numbers in pure functions, the elements at the end. */

/** @typedef {[number, number]} Point seconds since 1970, value */

const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 120;
const LEFT = 50;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 22;
/** A line is not drawn over a pause of so many seconds. */
const PAUSE = 120;

/** @param {number[]} values @returns {{min: number, median: number, max: number, last: number}|null} */
export function summary(values) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { min: sorted[0], median, max: sorted.at(-1), last: values.at(-1) };
}

/**
 * The end of the axis and its marks: round numbers, 0 included.
 * @param {number} most the largest value
 * @returns {number[]} from 0 to at least `most`
 */
export function ticks(most) {
  if (!(most > 0)) return [0, 1];
  const step = 10 ** Math.floor(Math.log10(most / 2));
  const size = [1, 2, 5, 10].map((factor) => factor * step).find((candidate) => candidate * 3 >= most) ?? 10 * step;
  const count = Math.ceil(most / size - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => index * size);
}

/**
 * How far back the plot goes: the shortest of some round spans that holds all points.
 * @param {Point[]} points @param {number} now
 * @returns {number} minutes
 */
export function span(points, now) {
  const oldest = points.length ? (now - points[0][0]) / 60 : 0;
  return [5, 10, 15, 30].find((minutes) => oldest <= minutes) ?? 60;
}

/**
 * Lines through the points, in the coordinates of the plot; broken where there was a pause.
 * @param {Point[]} points
 * @param {number} now
 * @param {{minutes: number, most: number, width?: number, apart?: boolean}} frame
 * @returns {[number, number][][]}
 */
export function lines(points, now, { minutes, most, width = 360, apart = false }) {
  const x = (at) => LEFT + (width - LEFT - RIGHT) * Math.min(1, Math.max(0, 1 - (now - at) / (60 * minutes)));
  const y = (value) => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * Math.min(1, Math.max(0, value / most));
  const found = [];
  points.forEach(([at, value], index) => {
    const place = [Math.round(10 * x(at)) / 10, Math.round(10 * y(value)) / 10];
    if (!found.length || apart || at - points[index - 1][0] > PAUSE) found.push([place]);
    else found.at(-1).push(place);
  });
  return found;
}

function make(kind, attributes, ...children) {
  const element = document.createElementNS(SVG, kind);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/**
 * Draws a plot into `svg`, which is to have a name of its own.
 * @param {SVGElement} svg
 * @param {object} about
 * @param {Point[]} about.points
 * @param {number} about.now seconds since 1970
 * @param {(value: number) => string} about.say a value on the axis
 * @param {(minutes: number) => string} about.sayBack the oldest time on the axis
 * @param {string} about.sayNow the newest
 * @param {boolean} [about.apart] single events, not a course
 * @param {(most: number) => number} [about.unit] what the marks are round numbers of
 */
export function draw(svg, { points, now, say, sayBack, sayNow, apart = false, unit = () => 1 }) {
  const largest = Math.max(0, ...points.map(([, value]) => value));
  const size = unit(largest);
  const marks = ticks(largest / size).map((mark) => mark * size);
  const most = marks.at(-1);
  const minutes = span(points, now);
  // In the pixels of the page, so that its words stay as large as other words.
  const width = Math.max(200, svg.clientWidth);
  const parts = marks.flatMap((mark) => {
    const y = HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * mark) / most;
    return [
      make('line', { class: 'plot-grid', x1: LEFT, x2: width - RIGHT, y1: y, y2: y }),
      make('text', { class: 'plot-text', x: LEFT - 6, y: y + 3.5, 'text-anchor': 'end' }, say(mark)),
    ];
  });
  const foot = HEIGHT - 6;
  parts.push(
    make('text', { class: 'plot-text', x: LEFT, y: foot }, sayBack(minutes)),
    make('text', { class: 'plot-text', x: width - RIGHT, y: foot, 'text-anchor': 'end' }, sayNow),
  );
  for (const line of lines(points, now, { minutes, most, width, apart })) {
    if (line.length > 1) parts.push(make('polyline', { class: 'plot-line', points: line.map((place) => place.join(',')).join(' ') }));
    else parts.push(make('circle', { class: 'plot-dot', cx: line[0][0], cy: line[0][1], r: 2.5 }));
  }
  svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
  svg.replaceChildren(...parts);
}
