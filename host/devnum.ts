/** Device numbers: dev_t as one number, as major and minor, as text. */

/** A devnum as stat(2) and mknod(2) have it. Source: new_encode_dev (include/linux/kdev_t.h). */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** The major of a dev_t. Source: glibc, bits/sysmacros.h, gnu_dev_major. */
export function majorOf(device: bigint): bigint {
  return ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
}

/** The minor of a dev_t. Source: glibc, bits/sysmacros.h, gnu_dev_minor. */
export function minorOf(device: bigint): bigint {
  return (device & 0xffn) | ((device >> 12n) & 0xffff_ff00n);
}

/** `254:0` */
export function devnumOf(device: bigint): string {
  return `${majorOf(device)}:${minorOf(device)}`;
}
