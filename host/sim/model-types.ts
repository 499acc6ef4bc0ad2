/** What the simulated kernel is told at start, asked, and answers. */
import type { Action, Group } from "../../assembly/abi.ts";
import type { Sender } from "../../assembly/kernel/format.ts";
import type { ImageKind, TableKind } from "../../assembly/kernel/setup.ts";

/** An entry of an image's partition table, as the kernel's own parsers would make it. */
export interface ModelEntry {
  readonly number: number;
  /** 512-byte sectors */
  readonly start: bigint;
  readonly size: bigint;
  /** PARTNAME, PARTUUID; an MBR's partitions have no name */
  readonly name?: string | undefined;
  readonly uuid?: string | undefined;
}

export interface ModelImage {
  readonly bytes: number | bigint;
  readonly kind?: ImageKind;
  readonly isWritable?: boolean;
  /** logical block size of what it lies on, 0: no direct I/O there; default 512 */
  readonly deviceBlockSize?: number;
  readonly table?: TableKind;
  /** sector size that the table is written in; default 512 */
  readonly sectorSize?: number;
  /** in order of number */
  readonly entries?: readonly ModelEntry[];
  /** sectors of 512 bytes that a GPT needs: its last usable one, and itself */
  readonly sectorsMin?: bigint;
  /** where the table's first sector lies in the image, bytes; default 0 */
  readonly tableAt?: bigint;
  readonly device?: bigint;
  readonly inode?: bigint;
  readonly rdev?: bigint;
  /** its bytes, for who reads them: zeros where no piece is */
  readonly content?: readonly { readonly offset: bigint; readonly bytes: Uint8Array }[];
}

export interface ModelOptions {
  /** e.g. "6.1.192" */
  readonly version: string;
  /** capacities */
  readonly loops: number;
  readonly partitions: number;
  readonly files: number;
  readonly tasks: number;
  readonly sockets: number;
  readonly queue: number;
  readonly processes: number;
  readonly images: readonly ModelImage[];
  /** room for images that are told later; default: only those above */
  readonly imagesMax?: number;
  /** module parameters */
  readonly maxLoop: number;
  readonly maxPart: number;
  /** false: a kernel built without partition parsers */
  readonly parsers: boolean;
  /** the last diskseq that was given before */
  readonly diskseq: number;
  /** room for the bytes of the core's calls */
  readonly buffersBytes: number;
}

/** Arguments of a system call: which is which is written at its `Routine`. */
export interface ModelCall {
  readonly a?: number;
  readonly b?: number;
  readonly c?: number;
  readonly d?: number;
  readonly e?: bigint;
  readonly f?: bigint;
  /** lo_file_name */
  readonly name?: Uint8Array;
}

export interface ModelDisk {
  readonly isBound: boolean;
  readonly diskseq: bigint;
  /** 512-byte sectors */
  readonly size: bigint;
  readonly minor: number;
  readonly isReadOnly: boolean;
  readonly offset: bigint;
  readonly sizeLimit: bigint;
  readonly isAutoclear: boolean;
  readonly isPartscan: boolean;
  readonly isDirectIo: boolean;
  readonly blockSize: number;
  /** index of the image, -1: none */
  readonly backing: number;
  readonly flags: number;
  readonly openers: number;
  readonly state: number;
  readonly partitions: readonly ModelPartition[];
}

export interface ModelPartition {
  readonly number: number;
  readonly start: bigint;
  readonly size: bigint;
  readonly major: number;
  readonly minor: number;
  readonly isOpenable: boolean;
  readonly openers: number;
}

/** An event that a process makes up. */
export interface Forged {
  readonly group: Group;
  readonly sender: Sender;
  readonly action: Action;
  /** of the loop device */
  readonly number: number;
  readonly partition?: number;
  readonly diskseq: number;
}

/** A datagram, and what the socket said of its sender. */
export interface Received {
  readonly bytes: Uint8Array;
  readonly portId: number;
  readonly pid: number;
  readonly uid: number;
}
