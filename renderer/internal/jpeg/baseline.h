// Baseline files of one scan.
#ifndef THUMBMILL_JPEG_BASELINE_H
#define THUMBMILL_JPEG_BASELINE_H

#include "library.h"

// Decodes the scan whose header libjpeg has read, if it is a baseline one of all components at less
// than 8/8. 0: libjpeg must decode the file; to may hold planes that are half done.
int jpeg_baseline(j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to);

#endif
