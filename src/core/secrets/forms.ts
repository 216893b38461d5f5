/** Shorter values are not taken out: they would tear holes into everything ("on", "80"). Letters. */
export const SHORTEST_SECRET = 5;

/** Words that settings have and that everything says: taking them out would hide nothing and break answers. */
const WORDS: ReadonlySet<string> = new Set(
  'development staging production preview testing debug error trace verbose silent false localhost 127.0.0.1 0.0.0.0'.split(' '),
);

/** Whether a value is hidden wherever it shows. What is not is said by `sluice plan`. */
export function isHidden(value: string): boolean {
  return value.trim().length >= SHORTEST_SECRET && !WORDS.has(value.trim().toLowerCase());
}

/**
 * How a secret may stand in a text: as it is, line by line, in base64 at any offset (as in `user:secret`), in hexadecimal, in a URL, in a
 * form, in JSON and in JSON inside JSON; and the same for the user's password where it is an address. Longest first, because one may
 * contain another.
 */
export function formsOf(secret: string): string[] {
  const parts = [secret, secret.trim(), ...linesOf(secret), ...passwordsOf(secret)].filter(isHidden);
  const forms = [...new Set(parts)].flatMap(encodings).filter((form) => form.length >= SHORTEST_SECRET);
  return [...new Set(forms)].toSorted((a, b) => b.length - a.length);
}

/** A line of a key file says something; its first and last line do not. */
function linesOf(secret: string): string[] {
  const lines = secret.split(/\r\n|\r|\n/);
  return lines.length === 1 ? [] : lines.map((line) => line.trim()).filter((line) => line.length >= 8 && !/^-{2,}[^-]*-{2,}$/.test(line));
}

function passwordsOf(secret: string): string[] {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(secret) || !URL.canParse(secret)) return [];
  const { password } = new URL(secret);
  return [password, decoded(password)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Half a surrogate pair has no encoding. */
function wellFormed(text: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(text));
}

function encodings(text: string): string[] {
  const inJson = JSON.stringify(text).slice(1, -1);
  const inUrl = encodeURIComponent(wellFormed(text));
  const hex = [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [
    text,
    inJson,
    JSON.stringify(inJson).slice(1, -1),
    inUrl,
    inUrl.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    new URLSearchParams({ v: text }).toString().slice(2),
    text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;'),
    ...(hex.length >= 16 ? [hex, hex.toUpperCase()] : []),
    ...inBase64(text),
  ];
}

/** Three forms, because three bytes become four letters: what comes before shifts the letters by one or two. */
function inBase64(text: string): string[] {
  const bytes = new TextEncoder().encode(text);
  return [0, 1, 2].flatMap((offset) => {
    const letters = btoa(String.fromCharCode(...new Uint8Array(offset), ...bytes)).replace(/=+$/, '');
    // Letters that share bits with what stands before or after differ.
    const from = offset === 0 ? 0 : offset + 1;
    const to = (offset + bytes.length) % 3 === 0 ? letters.length : letters.length - 1;
    const inside = offset === 0 ? [letters, letters.slice(from, to)] : [letters.slice(from, to)];
    return inside.filter((form) => form.length >= 8).flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]);
  });
}
