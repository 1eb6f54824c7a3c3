/** From the server's events to the state of one answer. Pure but for the frame painter at the end. */

/** @typedef {'waiting'|'streaming'|'done'|'stopped'|'failed'|'interrupted'} Phase */

/** The server has nothing to resume. */
const NOT_KEPT = 'SESSION-003';

/**
 * @typedef {object} Source
 * @property {string} title
 * @property {string} content
 * @property {number} score
 * @property {{source: string, chunk_id: string, page?: number, document_id?: string, start?: number, end?: number,
 *   cited?: boolean}} metadata
 */

/**
 * How many of the sentences that claim something stand in the sources, and where the others lie: code points of the text.
 * @typedef {{supported: number, total: number, unsupported: [number, number][]}} Grounded
 */

/**
 * @typedef {object} Answer
 * @property {string} messageId
 * @property {string} question
 * @property {Phase} phase
 * @property {boolean} started
 * @property {string} thinking what the model thought so far; no part of the answer
 * @property {string} text all tokens so far, joined in order
 * @property {number} next index of the token that comes next
 * @property {Record<number, string>} held tokens that came before their turn
 * @property {Source[]|null} sources null until they arrive
 * @property {{code: string, message: string, solutions: string[]}|null} error
 * @property {{tokens: number, ms: number, reason: string, grounded: Grounded|null}|null} end
 */

/**
 * @param {string} messageId
 * @param {string} question
 * @returns {Answer}
 */
export function newAnswer(messageId, question) {
  return {
    messageId,
    question,
    phase: 'waiting',
    started: false,
    thinking: '',
    text: '',
    next: 0,
    held: {},
    sources: null,
    error: null,
    end: null,
  };
}

/** @param {Answer} answer */
export const hasEnded = (answer) => answer.phase !== 'waiting' && answer.phase !== 'streaming';

/**
 * The answer after one more event. Events of unknown types and events after the last change nothing.
 * @param {Answer} answer
 * @param {any} event
 * @returns {Answer}
 */
export function reduce(answer, event) {
  if (hasEnded(answer)) return answer;
  switch (event.type) {
    case 'stream_start':
      // It comes again with each resume, and the thinking after it from the beginning.
      return { ...answer, started: true, thinking: '' };
    case 'stream_token':
      return withToken(answer, event);
    case 'stream_thinking':
      return typeof event.text === 'string' ? { ...answer, thinking: answer.thinking + event.text } : answer;
    case 'stream_sources':
      return { ...answer, sources: Array.isArray(event.sources) ? event.sources : [] };
    case 'stream_end':
      return {
        ...withHeld(answer),
        phase: event.finish_reason === 'cancelled' ? 'stopped' : 'done',
        // One event may carry several of the model's tokens; `usage` counts those.
        end: {
          tokens: event.usage?.completion_tokens ?? event.total_tokens,
          ms: event.processing_time_ms,
          first: event.time_to_first_token_ms ?? null,
          reason: event.finish_reason ?? 'stop',
          grounded: groundedOf(event.grounded),
        },
      };
    case 'stream_error':
      if (event.error_code === NOT_KEPT) return interrupt(answer);
      return {
        ...withHeld(answer),
        phase: 'failed',
        error: {
          code: String(event.error_code ?? ''),
          message: String(event.message ?? ''),
          solutions: Array.isArray(event.solutions) ? event.solutions.map(String) : [],
        },
      };
    default:
      return answer;
  }
}

/**
 * The connection was lost for so long that the server keeps the answer no more.
 * @param {Answer} answer
 * @returns {Answer}
 */
export function interrupt(answer) {
  return hasEnded(answer) ? answer : { ...withHeld(answer), phase: 'interrupted' };
}

/**
 * The person stopped a question that had not been sent yet.
 * @param {Answer} answer
 * @returns {Answer}
 */
export function stop(answer) {
  return hasEnded(answer) ? answer : { ...answer, phase: 'stopped' };
}

function withToken(answer, { index, token }) {
  if (!Number.isInteger(index) || typeof token !== 'string' || index < answer.next || index in answer.held) {
    return answer;
  }
  const held = { ...answer.held, [index]: token };
  let { text, next } = answer;
  for (; next in held; next++) {
    text += held[next];
    delete held[next];
  }
  return { ...answer, phase: 'streaming', text, next, held };
}

/** At the end a gap will not be filled any more: show what came after it rather than nothing. */
function withHeld(answer) {
  const rest = Object.keys(answer.held)
    .map(Number)
    .sort((a, b) => a - b);
  return { ...answer, text: answer.text + rest.map((index) => answer.held[index]).join(''), held: {} };
}

/** @param {any} found @returns {Grounded|null} null where the server did not check, or in another form */
function groundedOf(found) {
  if (!Number.isInteger(found?.supported) || !(found.total > 0) || !Array.isArray(found.unsupported)) return null;
  const spans = found.unsupported.filter((span) => Array.isArray(span) && span.every(Number.isInteger));
  return { supported: found.supported, total: found.total, unsupported: spans };
}

/** Paints what was touched once per animation frame, however many tokens came in between. */
export class FramePainter {
  #touched = new Set();
  #paint;
  #requestFrame;

  /**
   * @param {(items: any[]) => void} paint
   * @param {(run: () => void) => void} [requestFrame]
   */
  constructor(paint, requestFrame = (run) => requestAnimationFrame(run)) {
    this.#paint = paint;
    this.#requestFrame = requestFrame;
  }

  /** @param {any} item */
  touch(item) {
    this.#touched.add(item);
    if (this.#touched.size > 1) return;
    this.#requestFrame(() => {
      const items = [...this.#touched];
      this.#touched.clear();
      this.#paint(items);
    });
  }
}
