/**
 * A small simulation, run where the package is installed and koffi is not: `diskseq/sim` attaches
 * and detaches, and says what came of it.
 */
import { simulate } from "diskseq/sim";

const native = "koffi";
const isThere = await import(native).then(
  () => true,
  () => false,
);
if (isThere) throw new Error("koffi is installed here: nothing is proven");
const image = new Uint8Array(4096);
const session = simulate({
  version: "6.1.192",
  clock: "virtual",
  seed: 3,
  images: { "/a": image },
});
const disk = await session.attach("/a");
const { result } = await disk.detach();
await session.close();
console.log(`${disk.device} ${disk.diskseq} ${result}`);
