// Baseline files of one scan.
#ifndef THUMBMILL_JPEG_BASELINE_H
#define THUMBMILL_JPEG_BASELINE_H

#include "library.h"

// Decodes a baseline scan of all components at less than 8/8; libjpeg has read the scan's header.
// Returns 1, or 0 if libjpeg must decode the file; to may then hold unfinished planes.
int jpeg_baseline(j_decompress_ptr cinfo, int luma, int chroma, jpeg_planes *to);

#endif
