/** Looks for secrets in a trace, however they are spelled there. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** Secrets that are in the file: as text, in base64, in UTF-16, in compressed bytes. */
export function leaksOf(path: string, secrets: readonly (string | Uint8Array)[]): string[] {
  const haystacks = [readFileSync(path)];
  for (const line of readFileSync(path, "utf8").trimEnd().split("\n")) {
    collect(JSON.parse(line), haystacks);
  }
  const found = secrets.filter((secret) =>
    spellings(secret).some((needle) => haystacks.some((bytes) => bytes.includes(needle))),
  );
  return found.map((secret) =>
    typeof secret === "string" ? secret : Buffer.from(secret).toString("hex"),
  );
}

function collect(value: unknown, haystacks: Buffer[]): void {
  if (typeof value === "string") {
    const bytes = Buffer.from(value, "base64");
    const isCompressed = bytes[0] === 0x1f && bytes[1] === 0x8b;
    haystacks.push(Buffer.from(value), isCompressed ? gunzipSync(bytes) : bytes);
  } else if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) collect(inner, haystacks);
  }
}

function spellings(secret: string | Uint8Array): Buffer[] {
  if (typeof secret !== "string") return [Buffer.from(secret)];
  return [Buffer.from(secret), Buffer.from(secret, "utf16le")];
}
