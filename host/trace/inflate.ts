/** Undoes gzip by the web's own means, which every runtime has, into memory of a known size. */

/** Whether the bytes fill the memory exactly; where they do not, some of it may be written. */
export async function inflateInto(memory: Uint8Array, bytes: Uint8Array): Promise<boolean> {
  const inflated = new Blob([new Uint8Array(bytes)])
    .stream()
    .pipeThrough(new DecompressionStream("gzip"));
  const pieces = inflated.getReader();
  let length = 0;
  try {
    for (let next = await pieces.read(); !next.done; next = await pieces.read()) {
      const piece: Uint8Array = next.value;
      if (length + piece.length > memory.length) return false;
      memory.set(piece, length);
      length += piece.length;
    }
  } catch {
    return false;
  }
  return length === memory.length;
}
