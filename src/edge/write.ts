import type { Socket } from 'node:net';

/** Up to this size everything goes into one piece: copying it is cheaper than a second system call. */
const SMALL = 16 * 1024;

/** Write a head (or none) and what follows it in one system call. @returns whether the socket takes more at once. */
export function writeTogether(socket: Socket, headText: string, parts: readonly Buffer[]): boolean {
  const [only] = parts;
  if (headText === '' && parts.length <= 1) return only === undefined || only.length === 0 || socket.write(only);
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  if (size <= SMALL) {
    let text = headText;
    for (const part of parts) text += part.toString('latin1');
    return text === '' || socket.write(text, 'latin1');
  }
  socket.cork();
  let isFlowing = headText === '' || socket.write(headText, 'latin1');
  for (const part of parts) isFlowing = socket.write(part);
  socket.uncork();
  return isFlowing;
}
