/**
 * Where assert and abort land: writes a note that the host can read, then traps. Wasm-only.
 *
 * The note is UTF-8 in a static area: `file:line:column`, with the message before it where there is
 * one. Asserts of the core carry no message: the place says it all and costs no bytes.
 */
const NOTE_BYTES: i32 = 256;
const note: usize = memory.data(256);

/** Address of the note, which ends with a NUL; empty until a panic. */
export function panicNote(): usize {
  return note;
}

export function panic(message: string, file: string, line: i32, column: i32): void {
  let at: i32 = 0;
  if (message) {
    at = append(at, message);
    at = append(at, " at ");
  }
  at = append(at, file);
  at = append(at, ":");
  at = appendNumber(at, line);
  at = append(at, ":");
  at = appendNumber(at, column);
  store<u8>(note + at, 0);
  unreachable();
}

function append(at: i32, text: string): i32 {
  const bytes = text.length;
  for (let i = 0; i < bytes && at < NOTE_BYTES - 1; i++) {
    store<u8>(note + at, text.charCodeAt(i));
    at++;
  }
  return at;
}

function appendNumber(at: i32, value: i32): i32 {
  let scale = 1;
  while (value / scale >= 10) scale *= 10;
  for (; scale > 0 && at < NOTE_BYTES - 1; scale /= 10) {
    store<u8>(note + at, 48 + ((value / scale) % 10));
    at++;
  }
  return at;
}
