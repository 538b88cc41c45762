"""Ends an image file after slot A: end-after-slot-a.py IMAGE DISK-ID BYTES

The entries of the partitions behind it stay in the table, and the backup table moves to the end of
the file. If the backup stayed behind these partitions, as is usual, firmware that does not find it on
a reflashed stick would write it again, into the middle of the data. So the file is a valid disk on a
stick of any size, and only these entries point beyond its end.
"""

import struct
import sys
import uuid
import zlib

SECTOR = 512
HEADER = 92
# "/usr" of x86-64 (Discoverable Partitions Specification)
STORE = uuid.UUID("8484680c-9521-48c6-9c11-b0720656f69e").bytes_le


def main(path: str, disk_id: str, length: int) -> None:
    with open(path, "r+b") as image:

        def read(offset: int, form: str) -> tuple:
            image.seek(offset)
            return struct.unpack(form, image.read(struct.calcsize(form)))

        image.seek(SECTOR)
        header = bytearray(image.read(HEADER))
        first, count, size = struct.unpack_from("<QII", header, 72)
        image.seek(first * SECTOR)
        entries = image.read(count * size)
        stores = []
        for n in range(count):
            kind, start, last = struct.unpack_from("<16s16xQQ", entries, n * size)
            if kind == STORE:
                stores.append((start * SECTOR, (last + 1) * SECTOR))
        store, store_end = min(stores)

        # mkfs.erofs does not know how much room there is.
        bits, blocks = read(store + 1024 + 12, "<B23xI")
        used, slot = blocks << bits, store_end - store
        if used > slot:
            sys.exit(f"The store takes {used} bytes, its partition has {slot}: raise ollamalive.image.storeSize")

        backup = length // SECTOR - 1
        table = backup - len(entries) // SECTOR
        if store_end > table * SECTOR:
            sys.exit(f"The store ends at byte {store_end}, the image at {length}, which leaves no room for its table")
        struct.pack_into("<Q", header, 48, table - 1)  # last sector for partitions
        header[56:72] = uuid.UUID(disk_id).bytes_le
        image.truncate(length)
        image.seek(table * SECTOR)
        image.write(entries)
        for here, other, entries_at in ((1, backup, first), (backup, 1, table)):
            struct.pack_into("<QQ", header, 24, here, other)
            struct.pack_into("<Q", header, 72, entries_at)
            struct.pack_into("<I", header, 16, 0)
            struct.pack_into("<I", header, 16, zlib.crc32(header))
            image.seek(here * SECTOR)
            image.write(header)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
