"""Ends an image file where its last partition begins: end-before-persist.py IMAGE DISK-ID

The entry of that partition stays in the table, and the backup table moves to right before it. If
the backup stayed behind that partition, as is usual, firmware that does not find it on a reflashed
stick would write it again, into the middle of the data. So the file is a valid disk on a stick of
any size, and only the one entry points beyond its end.
"""

import struct
import sys
import uuid
import zlib

SECTOR = 512
HEADER = 92


def main(path: str, disk_id: str) -> None:
    with open(path, "r+b") as image:

        def read(offset: int, form: str) -> tuple:
            image.seek(offset)
            return struct.unpack(form, image.read(struct.calcsize(form)))

        image.seek(SECTOR)
        header = bytearray(image.read(HEADER))
        first, count, size = struct.unpack_from("<QII", header, 72)
        image.seek(first * SECTOR)
        entries = image.read(count * size)
        starts = [struct.unpack_from("<Q", entries, n * size + 32)[0] for n in range(count)]
        *_, store, persist = sorted(filter(None, starts))

        # mkfs.erofs does not know how much room there is.
        bits, blocks = read(store * SECTOR + 1024 + 12, "<B23xI")
        used, slot = blocks << bits, (persist - store) * SECTOR - (1 << 20)
        if used > slot:
            sys.exit(f"The store takes {used} bytes, its partition has {slot}: raise ollamalive.image.storeSize")

        backup = persist - 1
        table = backup - len(entries) // SECTOR
        struct.pack_into("<Q", header, 48, table - 1)  # last sector for partitions
        header[56:72] = uuid.UUID(disk_id).bytes_le
        image.truncate(persist * SECTOR)
        image.seek(table * SECTOR)
        image.write(entries)
        for here, other, entries_at in ((1, backup, first), (backup, 1, table)):
            struct.pack_into("<QQ", header, 24, here, other)
            struct.pack_into("<Q", header, 72, entries_at)
            struct.pack_into("<I", header, 16, 0)
            struct.pack_into("<I", header, 16, zlib.crc32(header))
            image.seek(here * SECTOR)
            image.write(header)


main(*sys.argv[1:])
