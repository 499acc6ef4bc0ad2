/** One moment, with all that is known of it: words, the core's verdict, the bytes received. */
import { bytesOfBase64 } from "../../base64.ts";
import { momentText, seconds, spanText, whoOf } from "../explain/moment-text.ts";
import type { Moment } from "../explain/moments.ts";
import { byId, h } from "./dom.ts";
import { deviceText, markTexts, verdictTexts } from "./words.ts";

/** Bytes of a datagram that are shown in hex. */
const hexMax = 4096;
/** Where a message of udev says how long its header is. */
const udevOffsetAt = 16;

type Fact = readonly [name: string, text: string];

export function showMoment(moment: Moment): void {
  byId("moment-title").textContent = momentText(moment);
  const facts = factsOf(moment).flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]);
  byId("moment-facts").replaceChildren(...facts);
  byId("moment-bytes").replaceChildren();
}

function factsOf(moment: Moment): Fact[] {
  const { line, at, record } = moment;
  const facts: Fact[] = [
    ["line", `${line} of the log`],
    ["time", `+${seconds(at)} s`],
    ["actor", whoOf(moment) || "the log"],
  ];
  if (record !== null) facts.push(["record", `${record}; below is the machine after it`]);
  const partition = "partition" in moment ? moment.partition : 0;
  if ("disk" in moment && moment.disk !== null) {
    facts.push(["device", deviceText(moment.disk, partition)]);
  }
  switch (moment.kind) {
    case "uevent":
      facts.push(
        ["devpath", moment.devpath],
        ["diskseq", moment.diskseq === null ? "none" : String(moment.diskseq)],
        ["SEQNUM", String(moment.seqnum)],
        ["verdict", moment.verdict === null ? "none: not of a disk" : verdictTexts[moment.verdict]],
        ...moment.marks.map((mark): Fact => ["mark", markTexts[mark]]),
      );
      break;
    case "call":
      facts.push(
        ["took", moment.tookNs === null ? "it did not return" : spanText(moment.tookNs)],
        ["result", moment.errno ?? "done"],
      );
      break;
    case "look":
      facts.push(["diskseq", moment.diskseq === null ? "not looked at" : String(moment.diskseq)]);
      break;
    case "command":
    case "event":
      facts.push(["operation", String(moment.operation)]);
      break;
  }
  return facts;
}

/** The record as the trace has it, and what it carried. */
export function showBytes(text: string): void {
  const bytes = dataOf(text);
  byId("moment-bytes").replaceChildren(
    ...(bytes === undefined ? [] : [...stringsOf(bytes), hexOf(bytes)]),
    h("details", {}, h("summary", {}, "the record in the trace"), h("pre", {}, text)),
  );
}

function dataOf(text: string): Uint8Array | undefined {
  try {
    const { data } = JSON.parse(text);
    return typeof data === "string" ? bytesOfBase64(data) : undefined;
  } catch {
    // A line that was cut off; the machine says so, too.
    return undefined;
  }
}

/** Of a uevent; other bytes are a struct of the kernel's. */
function stringsOf(bytes: Uint8Array): HTMLElement[] {
  const isUdev = new TextDecoder().decode(bytes.subarray(0, 7)) === "libudev";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const hasOffset = isUdev && bytes.length >= udevOffsetAt + 4;
  const text = new TextDecoder().decode(
    bytes.subarray(hasOffset ? view.getUint32(udevOffsetAt, true) : 0),
  );
  if (!/^[^\0]*[@=]/.test(text)) return [];
  const lines = text.replace(/\0$/, "").split("\0");
  return [h("h4", {}, "strings"), h("pre", { id: "strings" }, lines.join("\n"))];
}

function hexOf(bytes: Uint8Array): HTMLElement {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, hexMax); at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "."));
    lines.push(`${at.toString(16).padStart(4, "0")}  ${hex.padEnd(47)}  ${text.join("")}`);
  }
  const title = `${bytes.length} bytes in hex`;
  return h("details", {}, h("summary", {}, title), h("pre", { id: "hex" }, lines.join("\n")));
}
