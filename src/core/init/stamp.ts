import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

const MARK = 'Written by `sluice init`';

/** A generated file, marked with the digest of what follows its first line: it shows later whether a person has changed it. */
export function stamped(comment: '//' | '#', body: string): string {
  return `${comment} ${MARK} (${digest(body)}); what you change stays as you left it.\n${body}`;
}

/** `ours`: as we wrote it. `edited`: a person has changed it. `theirs`: never ours. */
export function ownership(text: string): 'ours' | 'edited' | 'theirs' {
  const end = text.indexOf('\n');
  const first = end < 0 ? text : text.slice(0, end);
  if (!first.includes(MARK)) return 'theirs';
  return first.includes(`(${digest(text.slice(end + 1))})`) ? 'ours' : 'edited';
}

function digest(body: string): string {
  return bytesToHex(sha256(utf8ToBytes(body))).slice(0, 12);
}
