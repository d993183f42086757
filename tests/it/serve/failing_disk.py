"""A file system of FUSE that has the files of a folder, and fails as a broken disk does: as long as there is a file FLAG, nothing can be written (EIO).

usage: failing_disk.py FOLDER MOUNTPOINT FLAG
"""
import errno
import os
import sys

from mfusepy import FUSE, FuseOSError, Operations

ABOUT = ("st_gid", "st_mode", "st_nlink", "st_size", "st_uid")
TIMES = ("st_atime", "st_ctime", "st_mtime")
FREE = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_flag", "f_frsize", "f_namemax")


class FailingDisk(Operations):
    use_ns = True

    def __init__(self, folder, flag):
        self.folder, self.flag = folder, flag

    def path(self, path):
        return self.folder + path

    def check(self):
        if os.path.exists(self.flag):
            raise FuseOSError(errno.EIO)

    def getattr(self, path, fh=None):
        about = os.lstat(self.path(path))
        return {name: getattr(about, name) for name in ABOUT} | {name: getattr(about, name + "_ns") for name in TIMES}

    def readdir(self, path, fh):
        return [".", ".."] + os.listdir(self.path(path))

    def statfs(self, path):
        about = os.statvfs(self.path(path))
        return {name: getattr(about, name) for name in FREE}

    def open(self, path, flags):
        # The kernel gives the place of each write.
        return os.open(self.path(path), flags & ~os.O_APPEND)

    def create(self, path, mode, fi=None):
        self.check()
        return os.open(self.path(path), os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        self.check()
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        self.check()
        os.truncate(self.path(path), length)

    def fsync(self, path, datasync, fh):
        self.check()
        os.fsync(fh)

    def fsyncdir(self, path, datasync, fh):
        self.check()

    def release(self, path, fh):
        os.close(fh)

    def rename(self, old, new):
        self.check()
        os.rename(self.path(old), self.path(new))

    def mkdir(self, path, mode):
        self.check()
        os.mkdir(self.path(path), mode)

    def unlink(self, path):
        os.unlink(self.path(path))

    def rmdir(self, path):
        os.rmdir(self.path(path))


if __name__ == "__main__":
    folder, mountpoint, flag = sys.argv[1:]
    FUSE(FailingDisk(folder, flag), mountpoint, foreground=True, nothreads=True)
