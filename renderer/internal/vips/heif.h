/* AVIF by libheif itself, as planes of red, green and blue, without a detour through interleaved pixels. */
#ifndef THUMBMILL_HEIF_H
#define THUMBMILL_HEIF_H

#include "planes.h"

#include <stddef.h>

typedef struct TmHeif TmHeif;

/* Returns whether this libheif makes planes of red, green and blue on its way to interleaved pixels. Both then have
   the same samples, for all ranges, matrices and chroma formats. */
int tm_heif_has_planes(void);
/* Decodes the primary picture, as it is shown, of 8 bits, without alpha, of width x height, to planes of red, green and
   blue. NULL: another picture, an error, or no memory. The file must stay in memory until tm_heif_free. */
TmHeif *tm_heif_decode(const void *file, size_t length, int width, int height, TmSamples planes[3]);
void tm_heif_free(TmHeif *h);

#endif
