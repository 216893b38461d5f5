import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

const END_BYTES = 64 * 1024;
/** Of a longer line only the beginning is looked at. */
const END_LINE_CHARS = 1_000;
const CHUNK_BYTES = 64 * 1024;
/** A line longer than this is handed on in pieces. */
export const LINE_BYTES_MAX = 256 * 1024;

/** The last lines, without colours. */
export function endOfLog(path: string): string[] {
  return stripVTControlCharacters(readEnd(path, END_BYTES).toString('utf8'))
    .split('\n')
    .map((line) => line.replace(/\r$/, '').slice(0, END_LINE_CHARS));
}

/**
 * The newest `count` lines of a file, oldest first, and how far it was read (bytes).
 * @param wholeOnly leave out a line that is being written
 */
export function lastLines(path: string, count: number, wholeOnly: boolean): { readonly lines: string[]; readonly end: number } {
  for (let bytes = CHUNK_BYTES; ; bytes *= 4) {
    const size = sizeOf(path);
    const from = Math.max(0, size - bytes);
    const read = readRange(path, from, size);
    const text = wholeOnly ? read.subarray(0, read.lastIndexOf(10) + 1) : read;
    const lines = text.toString('utf8').split('\n');
    if (lines.at(-1) === '') lines.pop();
    // The first one may have been cut by where we began to read.
    const whole = from === 0 ? lines : lines.slice(1);
    if (whole.length >= count || from === 0) return { lines: count === 0 ? [] : whole.slice(-count), end: from + text.length };
  }
}

export function readRange(path: string, from: number, to: number): Buffer {
  if (to <= from) return Buffer.alloc(0);
  const file = open(path);
  if (file === null) return Buffer.alloc(0);
  try {
    const buffer = Buffer.alloc(to - from);
    let read = 0;
    for (let n = -1; n !== 0 && read < buffer.length; read += n) n = readSync(file, buffer, read, buffer.length - read, from + read);
    return buffer.subarray(0, read);
  } finally {
    closeSync(file);
  }
}

export function sizeOf(path: string): number {
  const file = open(path);
  if (file === null) return 0;
  try {
    return fstatSync(file).size;
  } finally {
    closeSync(file);
  }
}

function readEnd(path: string, bytes: number): Buffer {
  const size = sizeOf(path);
  return readRange(path, Math.max(0, size - bytes), size);
}

function open(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch {
    return null;
  }
}
