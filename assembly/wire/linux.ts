/**
 * Numbers of the Linux system-call interface that the core puts into its calls, x86-64 and arm64.
 * Knows nothing of machines or hosts. Sources: include/uapi/linux/{loop.h,fs.h,blkpg.h},
 * include/uapi/asm-generic/{fcntl.h,errno.h}, include/linux/fs.h.
 */

export enum Ioctl {
  LOOP_SET_FD = 0x4c00,
  LOOP_CLR_FD = 0x4c01,
  LOOP_SET_STATUS64 = 0x4c04,
  LOOP_GET_STATUS64 = 0x4c05,
  LOOP_CHANGE_FD = 0x4c06,
  LOOP_SET_CAPACITY = 0x4c07,
  LOOP_SET_DIRECT_IO = 0x4c08,
  LOOP_SET_BLOCK_SIZE = 0x4c09,
  LOOP_CONFIGURE = 0x4c0a,
  LOOP_CTL_ADD = 0x4c80,
  LOOP_CTL_REMOVE = 0x4c81,
  LOOP_CTL_GET_FREE = 0x4c82,
  BLKRRPART = 0x125f,
  BLKFLSBUF = 0x1261,
  BLKSSZGET = 0x1268,
  BLKPG = 0x1269,
  /** _IOR(0x12, 114, size_t): the number carries the size of a 64-bit size_t. */
  BLKGETSIZE64 = 0x80081272,
  /** _IOR(0x12, 128, __u64), since 5.15. */
  BLKGETDISKSEQ = 0x80081280,
}

export enum BlkpgOperation {
  BLKPG_ADD_PARTITION = 1,
  BLKPG_DEL_PARTITION = 2,
  BLKPG_RESIZE_PARTITION = 3,
}

export enum LoFlag {
  LO_FLAGS_READ_ONLY = 1,
  LO_FLAGS_AUTOCLEAR = 4,
  LO_FLAGS_PARTSCAN = 8,
  LO_FLAGS_DIRECT_IO = 16,
}

/** Values of x86-64; arm64 differs only in O_DIRECT, which the core does not use. */
export enum OpenFlag {
  O_RDONLY = 0,
  O_RDWR = 2,
  /** Of a block device: claims it; nobody can configure, mount or re-read it meanwhile. */
  O_EXCL = 0x80,
  O_NOCTTY = 0x100,
  O_NONBLOCK = 0x800,
  O_CLOEXEC = 0x80000,
  O_PATH = 0x200000,
}

export enum Lock {
  LOCK_SH = 1,
  LOCK_EX = 2,
  LOCK_NB = 4,
  LOCK_UN = 8,
}

export enum FileType {
  S_IFMT = 0xf000,
  S_IFBLK = 0x6000,
  S_IFREG = 0x8000,
}

export enum Device {
  LOOP_MAJOR = 7,
}

export enum Errno {
  EPERM = 1,
  ENOENT = 2,
  EINTR = 4,
  EIO = 5,
  ENXIO = 6,
  EBADF = 9,
  EAGAIN = 11,
  ENOMEM = 12,
  EACCES = 13,
  EFAULT = 14,
  EBUSY = 16,
  EEXIST = 17,
  ENODEV = 19,
  EISDIR = 21,
  EINVAL = 22,
  ENFILE = 23,
  EMFILE = 24,
  ENOTTY = 25,
  ETXTBSY = 26,
  ENOSPC = 28,
  EROFS = 30,
  ENOSYS = 38,
  EOVERFLOW = 75,
  EOPNOTSUPP = 95,
  ENOBUFS = 105,
  ENOTCONN = 107,
  EALREADY = 114,
}
