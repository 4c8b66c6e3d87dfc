/* The pixels of a PNG of 8 bits a colour, from its compressed rows. */
#ifndef THUMBMILL_UNPACK_H
#define THUMBMILL_UNPACK_H

#include <stddef.h>

/* The bytes that a pixel is read by: a row of the last pixel must have so many behind its end. */
#define TM_UNPACK_SLACK 4

/* Decompresses a zlib stream to exactly room bytes. 0, or -1: other data, or no memory. */
int tm_inflate(const unsigned char *in, size_t length, unsigned char *out, size_t room);
/* Undoes the filters of rows of width pixels of three bytes, in place. Each row is behind the byte that names its
   filter, and TM_UNPACK_SLACK bytes follow the last. 0, or -1 for an unknown filter. */
int tm_png_restore(unsigned char *rows, int width, int height);

#endif
