/* What a PNG needs: filtered rows, and their compression. */
#ifndef THUMBMILL_PACK_H
#define THUMBMILL_PACK_H

#include <stddef.h>

/* Writes the rows of a picture as a PNG filters them, each after a byte that names its filter: into
   height * (length + 1) bytes. A row has length bytes, step of them a pixel. adaptive takes for each row
   the filter whose differences have the least sum; otherwise rows stay as they are. 0, or -1 without memory. */
int tm_png_filter(const unsigned char *pixels, size_t length, int height, int step, int adaptive, unsigned char *out);

/* The most bytes that tm_deflate writes for so many. */
size_t tm_deflate_bound(size_t length);
/* Compresses as a zlib stream at a level of 1 to 12. The length of it, or 0 without memory. */
size_t tm_deflate(int level, const unsigned char *in, size_t length, unsigned char *out, size_t room);

#endif
