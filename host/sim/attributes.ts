/** How sysfs writes what the model has of a disk. */
import type { ModelDisk } from "./model.ts";

/** undefined: there is no such file. */
export function diskAttribute(disk: ModelDisk, attribute: string): string | undefined {
  const bit = (value: boolean): string => (value ? "1" : "0");
  const inLoop = (text: string): string | undefined => (disk.isBound ? text : undefined);
  switch (attribute) {
    case "diskseq":
      return disk.diskseq === 0n ? undefined : String(disk.diskseq);
    case "size":
      return String(disk.size);
    case "ro":
      return bit(disk.isReadOnly);
    case "queue/logical_block_size":
      return String(disk.blockSize);
    case "loop/offset":
      return inLoop(String(disk.offset));
    case "loop/sizelimit":
      return inLoop(String(disk.sizeLimit));
    case "loop/autoclear":
      return inLoop(bit(disk.isAutoclear));
    case "loop/partscan":
      return inLoop(bit(disk.isPartscan));
    case "loop/dio":
      return inLoop(bit(disk.isDirectIo));
    default:
      return undefined;
  }
}
