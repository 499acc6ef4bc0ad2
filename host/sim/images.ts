/** Images as the simulated kernel's setup has them. */
import { EntryFact, ImageFact } from "../../assembly/kernel/setup.ts";
import type { ModelImage, ModelOptions } from "./model-types.ts";

/** Writes image `index` into the setup. */
export function describeImage(
  setup: DataView,
  index: number,
  image: ModelImage,
  options: ModelOptions,
): void {
  const stride = ImageFact.Bytes + options.partitions * EntryFact.Bytes;
  const at = index * stride;
  const put = (fact: ImageFact, value: number) => setup.setInt32(at + fact, value, true);
  const put64 = (fact: ImageFact, value: bigint) => setup.setBigUint64(at + fact, value, true);
  const entries = image.entries ?? [];
  if (entries.length > options.partitions) throw new RangeError("more entries than partitions");
  put(ImageFact.Kind, image.kind ?? 0);
  put(ImageFact.Writable, image.isWritable === false ? 0 : 1);
  put(ImageFact.DeviceBlockSize, image.deviceBlockSize ?? 512);
  put(ImageFact.Table, image.table ?? 0);
  put(ImageFact.SectorSize, image.sectorSize ?? 512);
  put(ImageFact.Entries, entries.length);
  put64(ImageFact.Device, image.device ?? 1n);
  put64(ImageFact.Inode, image.inode ?? BigInt(index + 1));
  put64(ImageFact.Rdev, image.rdev ?? 0n);
  put64(ImageFact.SectorsMin, image.sectorsMin ?? 0n);
  put64(ImageFact.TableAt, image.tableAt ?? 0n);
  for (const [place, entry] of entries.entries()) {
    const from = at + ImageFact.Bytes + place * EntryFact.Bytes;
    setup.setInt32(from + EntryFact.Number, entry.number, true);
    setup.setBigUint64(from + EntryFact.Start, entry.start, true);
    setup.setBigUint64(from + EntryFact.Size, entry.size, true);
    putText(setup, from + EntryFact.Uuid, EntryFact.Name - EntryFact.Uuid, entry.uuid);
    putText(setup, from + EntryFact.Name, EntryFact.Bytes - EntryFact.Name, entry.name);
  }
}

function putText(view: DataView, at: number, room: number, text: string | undefined): void {
  const bytes = new TextEncoder().encode(text ?? "").subarray(0, room - 1);
  for (let i = 0; i < room; i++) view.setUint8(at + i, bytes[i] ?? 0);
}
