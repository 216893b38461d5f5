/** What the edge itself says where it has nothing to pass a request to; both edges say it in these words. */
export const NOT_ROUTED = 'No app is routed here.';
const NO_VERSION = /^The app has no (?:such )?version\b/;
/** Statuses by which an edge (or a proxy) says that the app gave no answer: RFC 9110, sections 15.6.3 to 15.6.5. */
const GATEWAY: ReadonlySet<number> = new Set([502, 503, 504]);

/**
 * Why an answer that came through the edge shows that users are not served, as the end of a sentence; null when the app has
 * answered. `text`: the beginning of its body, by which the edge's own answers are told from those of an app.
 */
export function unserved(status: number, text: string): string | null {
  if (GATEWAY.has(status)) return `is answered with ${status}${text.trim() === '' ? '' : ` (${firstLine(text)})`}`;
  if (isUnrouted(status, text)) return 'is not routed: the edge has no such route';
  if ((status === 404 || status === 421) && NO_VERSION.test(text)) return 'does not reach the version: the edge does not have it';
  return null;
}

/** Whether the edge itself says that it has no route there. */
export function isUnrouted(status: number, text: string): boolean {
  return (status === 404 || status === 421) && text.startsWith(NOT_ROUTED);
}

function firstLine(text: string): string {
  const line = text.trim().split('\n')[0] ?? '';
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}
